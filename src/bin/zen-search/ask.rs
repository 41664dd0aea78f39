//! From the options to the search: what was asked, and what is sensible where nothing was said.

use std::path::{Path, PathBuf};

use zen_nas::cli::{self, NamedStructure, ResolvedBudgets};
use zen_nas::latency::{Device, SettingChoice, Store};
use zen_nas::net::Header;
use zen_nas::search::budget::BudgetSpec;
use zen_nas::search::region::Region;
use zen_nas::search::run::unix_s;
use zen_nas::search::{RUN_FORMAT, RunDirectory, RunSpec};
use zen_nas::space::{Draw, Space};

use super::args::Args;
use super::front;
use super::tables::Tables;

/// Bytes of weights that a network may have where latency is all that was limited.
const DEFAULT_WEIGHT_BYTES: f64 = 100e6;

/// The search that the options ask for, and why its settings were chosen.
pub fn spec(args: &Args, store: &Store) -> anyhow::Result<(RunSpec, Vec<SettingChoice>)> {
    let space = Space::find(&args.space)?;
    let defaults = [BudgetSpec::new("layers", space.default_max_layers.into())];
    let ResolvedBudgets { setting, choices, budgets, axes } =
        args.all_budgets().resolve(&args.setting, &defaults, store, &args.output)?;
    let (header, initial) = match &args.initial {
        Some(argument) => {
            let (NamedStructure { origin, text, header }, _) = cli::read_structure(argument, None)?;
            args.lowering.tell([(origin.as_str(), &header)], &args.output);
            (header, Some(text.trim().to_owned()))
        }
        None => (Header::default(), None),
    };
    let resolution = space.resolution(args.lowering.resolution.or(header.resolution))?;
    let lower = args.lowering.options_for(&header);
    let initial = initial.unwrap_or_else(|| space.initial(resolution).to_string());
    let spec = RunSpec {
        format: RUN_FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        space: space.name.clone(),
        space_file: (!space.is_built_in()).then(|| space.text.to_string()),
        initial,
        resolution,
        classes: lower.classes,
        squeeze_excite: args.lowering.squeeze_excite.or(header.squeeze_excite).unwrap_or(space.squeeze_excite),
        residual_links: space.residual_links,
        proxy: args.proxy.clone(),
        optimiser: args.optimiser,
        draw: if args.published_draw { Draw::Published } else { Draw::Uniform },
        seed: args.seed,
        iterations: args.iterations as u64,
        population: args.population as usize,
        draws: args.draws,
        finalists: args.finalists as usize,
        final_seconds: args.final_seconds,
        top: args.top.unwrap_or(RunSpec::DEFAULT_TOP),
        standard_error: args.se,
        score_batch_size: args.score_batch_size,
        setting: setting.map(|setting| setting.id()),
        table: args.setting.table.choice.as_ref().map(ToString::to_string),
        shipped_table: false,
        published_rules: args.rails.published_rules,
        rails: args.rails.apply(&space.rails),
        no_check: args.check.no_check,
        database: args
            .database
            .db
            .as_ref()
            .map(std::path::absolute)
            .transpose()?
            .map(|path| path.display().to_string()),
        confidence: args.confidence.0,
        minutes: args.minutes,
        device_compute: args.compute.device_compute.to_string(),
        no_onnx: args.no_onnx,
        budgets,
        front: front::spec(args, axes),
        spot_checks: Vec::new(),
        used_tables: Vec::new(),
    };
    Ok((spec, choices))
}

fn default_directory(args: &Args, spec: &RunSpec) -> PathBuf {
    // However the device was written, its folder has its name.
    let named = |device: &str| Device::find(device).map_or_else(|_| device.to_owned(), |device| device.name);
    let device = args.setting.table.device.as_deref().or(spec.setting.as_deref().and_then(|id| id.split('/').next()));
    let what = device.map_or_else(|| spec.space.clone(), named);
    let budget = args.budgets.in_name();
    Path::new("zen-runs").join(format!("{what}{budget}-{}", unix_s()))
}

/// The directory of the run: the one that is resumed, or a new one.
pub fn directory(args: &Args, spec: &RunSpec, resumed: Option<RunDirectory>) -> anyhow::Result<RunDirectory> {
    match resumed {
        Some(directory) => Ok(directory),
        None => {
            let path = args.out.clone().unwrap_or_else(|| default_directory(args, spec));
            Ok(RunDirectory::create(&path, spec)?)
        }
    }
}

/// Where latency alone is limited, keeps the search in the region of the published network that is as fast, and says so.
pub fn keep_in_region(args: &Args, spec: &mut RunSpec, tables: &Tables) -> anyhow::Result<()> {
    let budgets = &args.budgets;
    let limited = ["parameters", "flops", "weight_bytes"].iter().any(|kind| budgets.limits(kind));
    if spec.published_rules || limited {
        return Ok(());
    }
    let Some(region) = Region::of(&spec.to_config(&tables.predictors, 1)?)? else { return Ok(()) };
    let mut kept = Vec::new();
    if !budgets.names("layers")
        && let Some(layers) = spec.budgets.iter_mut().find(|budget| budget.kind == "layers")
        && layers.limit > f64::from(region.layers)
    {
        layers.limit = region.layers.into();
        kept.push(format!("{} layers (--max-layers)", region.layers));
    }
    for (key, part, rail, most, flag) in [
        ("widest", "a block", &mut spec.rails.widest, region.widest, "--max-width"),
        ("widest_tail", "the tail", &mut spec.rails.widest_tail, region.widest_tail, "--max-tail"),
    ] {
        if !args.rails.names(key) && rail.is_some_and(|widest| widest > most) {
            *rail = Some(most);
            kept.push(format!("{most} channels in {part} ({flag})"));
        }
    }
    if !budgets.names("weight_bytes") {
        let setting = spec.settings()?.into_iter().next();
        spec.budgets.push(BudgetSpec {
            precision: setting.map(|setting| setting.precision.to_string()),
            ..BudgetSpec::new("weight_bytes", DEFAULT_WEIGHT_BYTES)
        });
        kept.push(format!("{:.0} MB of weights (--max-size)", DEFAULT_WEIGHT_BYTES / 1e6));
    }
    if !kept.is_empty() {
        args.output.note(format!(
            "note: without a budget of size, the search keeps near {}, a published network that takes {:.2} ms here: at most {}; \
             each option sets another limit, `none` lifts it",
            region.like,
            region.like_ms,
            kept.join(", ")
        ));
    }
    Ok(())
}
