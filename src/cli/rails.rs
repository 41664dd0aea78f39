//! The flags of the rails, made from their list.

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, error::Error};

use crate::space::{RAILS, Rail, Rails};

/// Group of all these flags.
pub const RAIL_GROUP: &str = "rails";

const HEADING: &str = "Rails: limits on the shape of networks (`none` lifts one; default: those of the space)";
const PUBLISHED: &str = "published_rules";

/// Rails that the user sets, and whether all of them are off.
#[derive(Clone, Debug, Default)]
pub struct RailArgs {
    /// The published mutation without rails.
    pub published_rules: bool,
    values: Vec<(&'static Rail, String)>,
}

impl RailArgs {
    /// Whether the user sets the rail of that key.
    pub fn names(&self, key: &str) -> bool {
        self.values.iter().any(|(rail, _)| rail.key == key)
    }

    /// A space's rails with those that the user sets.
    pub fn apply(&self, rails: &Rails) -> Rails {
        if self.published_rules {
            return Rails::default();
        }
        let mut rails = rails.clone();
        for (rail, text) in &self.values {
            // The parser of options has read it before.
            rail.set(&mut rails, text).unwrap_or_default();
        }
        rails
    }
}

impl clap::Args for RailArgs {
    fn augment_args(command: Command) -> Command {
        let rails = RAILS.iter().map(|rail| {
            Arg::new(rail.key)
                .long(rail.flag)
                .value_name(rail.value_name)
                .help(rail.about)
                .help_heading(HEADING)
                .allow_hyphen_values(true)
                .value_parser(move |text: &str| rail.set(&mut Rails::default(), text).map(|()| text.to_owned()))
        });
        let published = Arg::new(PUBLISHED)
            .long("published-rules")
            .action(ArgAction::SetTrue)
            .help("Search as the published implementation: its mutation, no rails")
            .help_heading(HEADING)
            .conflicts_with_all(RAILS.iter().map(|rail| rail.key));
        let group = ArgGroup::new(RAIL_GROUP).multiple(true).args(RAILS.iter().map(|rail| rail.key)).arg(PUBLISHED);
        command.args(rails).arg(published).group(group)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for RailArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = |rail: &'static Rail| Some((rail, matches.get_one::<String>(rail.key)?.clone()));
        let values = RAILS.iter().filter_map(given).collect();
        Ok(Self { published_rules: matches.get_flag(PUBLISHED), values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        rails: RailArgs,
    }

    fn parse(arguments: &str) -> Result<RailArgs, Error> {
        let arguments = std::iter::once("x").chain(arguments.split_whitespace());
        Ok(Options::try_parse_from(arguments)?.rails)
    }

    #[test]
    fn flags_change_the_rails_of_the_space() {
        let space = Rails { narrowest: Some(32), width_fall: Some(4.5), tail_share: Some(0.4), ..Rails::default() };
        let set = parse("--min-width 8 --max-width-fall none --kernels 3,5").unwrap().apply(&space);
        let expected = Rails {
            narrowest: Some(8),
            kernels: Some(vec![3, 5]),
            width_fall: None,
            tail_share: Some(0.4),
            ..Rails::default()
        };
        assert_eq!(set, expected);
        assert_eq!(parse("").unwrap().apply(&space), space);
        let published = parse("--published-rules").unwrap();
        assert!(published.published_rules && published.apply(&space) == Rails::default());
    }

    #[test]
    fn wrong_values_and_contradictions_are_refused() {
        for (arguments, part) in [
            ("--max-stage-share 2", "at most 1"),
            ("--min-width -8", "whole number"),
            ("--published-rules --min-width 8", "cannot be used with"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        // Every rail has its flag.
        for rail in RAILS {
            assert!(parse(&format!("--{} none", rail.flag)).is_ok(), "{rail:?}");
        }
    }
}
