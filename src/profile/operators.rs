//! Operators measured each by itself, as planned: for runtimes that time a model's own nodes or the
//! model as a whole, but not the nodes of a network.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use zen_agent::Scope;

use super::bench::Bench;
use super::drift::Look;
use super::learning::Learning;
use super::session::{Event, SessionOptions};
use super::{OperatorForm, ProfileError, RunnerError, Subject, Without, plan};
use crate::latency::{KeyKind, NewRun, OperatorKey};
use crate::onnx::{BreadModel, OPERATOR_NODE_PREFIX, OnnxError, bread_models, operator_model, sandwich_model};

/// Share of a time limit that is left for whole networks.
const NETWORK_TIME_SHARE: f64 = 0.3;

/// Measures the operators of the plan that are not stored yet.
pub(super) fn operators(
    bench: &mut Bench<'_>,
    options: &SessionOptions,
    new_run: &NewRun,
) -> Result<Learning, ProfileError> {
    let plan = plan(&options.plan)?;
    let known = known_keys(bench, new_run)?;
    let missing: Vec<_> = plan.keys.iter().filter(|key| !known.contains(*key)).copied().collect();
    bench.run.outcome.stored = plan.keys.len() - missing.len();
    (bench.run.on_event)(Event::Planned {
        setting: &bench.table.setting,
        operators: plan.keys.len(),
        stored: bench.run.outcome.stored,
        distinct: plan.distinct,
        networks: options.networks,
    });
    let reserve = bench.limits.time.unwrap_or_default().mul_f64(NETWORK_TIME_SHARE);
    one_by_one(bench, missing, reserve, options.plan.seed)?;
    Ok(Learning::default())
}

/// Measures operators in this order, as far as the time limit but for `reserve` goes.
pub(super) fn one_by_one(
    bench: &mut Bench<'_>,
    missing: Vec<OperatorKey>,
    reserve: Duration,
    seed: u64,
) -> Result<(), ProfileError> {
    bench.run.outcome.remaining = missing.len();
    let mut queue: VecDeque<OperatorKey> = missing.into();
    // Measured since the machine was last known to be steady, and failures until then.
    let (mut recent, mut failures) = (Vec::new(), 0);
    loop {
        // The last ones are looked at, too, before the queue is done.
        match bench.look(queue.is_empty() && !recent.is_empty(), true)? {
            Look::NotDue => {}
            Look::Steady => {
                recent.clear();
                failures = bench.run.outcome.failed.len();
            }
            Look::TakenBack => {
                bench.run.outcome.measured -= recent.len() - (bench.run.outcome.failed.len() - failures);
                bench.run.outcome.remaining += recent.len();
                bench.run.outcome.failed.truncate(failures);
                queue.extend(recent.drain(..));
            }
        }
        if let Some(ending) = bench.limits.stop(reserve).filter(|_| !queue.is_empty()) {
            bench.run.outcome.ending = ending;
            break;
        }
        let Some(key) = queue.pop_front() else { break };
        operator(bench, &key, seed)?;
        recent.push(key);
    }
    Ok(())
}

fn operator(bench: &mut Bench<'_>, key: &OperatorKey, seed: u64) -> Result<(), ProfileError> {
    let subject = operator_subject(key, bench.runner.operator_form(), bench.table.setting.batch_size, seed);
    let result = match subject {
        Ok(subject) => bench.measure(&subject, &bench.limits.operator.clone()),
        Err(error) => Err(RunnerError::Model(error.to_string())),
    };
    bench.run.outcome.remaining -= 1;
    match result {
        Ok(estimate) => {
            bench.store(key, &estimate)?;
            bench.run.count(&estimate);
            bench.run.outcome.measured += 1;
        }
        Err(RunnerError::Model(reason)) => {
            bench.table.store.insert_failure(bench.run.id, key, &reason)?;
            (bench.run.on_event)(Event::Operator { key, result: Err(&reason) });
            bench.run.fail(key.to_string(), reason);
        }
        Err(error) => {
            bench.run.outcome.remaining += 1;
            return Err(ProfileError::of_runner(error));
        }
    }
    Ok(())
}

/// Operators that the user's earlier runs measured on this machine by the same runtime and method.
fn known_keys(bench: &Bench<'_>, new_run: &NewRun) -> Result<BTreeSet<OperatorKey>, ProfileError> {
    let mut known = BTreeSet::new();
    for run in bench.table.store.runs(&bench.table.setting)? {
        if run.imported.is_none() && run.about.same_protocol(new_run) {
            known.extend(bench.table.store.measured_keys(run.id)?);
        }
    }
    Ok(known)
}

/// The form as an id that stays, in the fingerprint of a run.
pub(super) fn form_id(form: OperatorForm) -> &'static str {
    match form {
        OperatorForm::Nodes => "nodes",
        OperatorForm::Alone => "alone",
        OperatorForm::Difference => "difference",
    }
}

/// How operators are measured by themselves, for people.
pub(super) fn operator_method(form: OperatorForm) -> &'static str {
    match form {
        OperatorForm::Nodes => {
            "operators between 1x1 convolutions, only their own nodes timed; median over freshly loaded instances of \
             each instance's median"
        }
        OperatorForm::Alone => {
            "operators each as a network of its own, whole calls; what they add up to is fitted on whole networks; \
             median over freshly loaded instances of each instance's median"
        }
        OperatorForm::Difference => {
            "operators by the difference between 1x1 convolutions with and without them, in turns of freshly loaded \
             instances; median over blocks of turns"
        }
    }
}

/// What an operator is timed as: between 1x1 convolutions, where it runs as in a network; a lone
/// activation or batch norm would vanish into them and is timed alone, as is everything on a runtime that
/// wants networks of one operator.
fn operator_subject(key: &OperatorKey, form: OperatorForm, batch_size: u32, seed: u64) -> Result<Subject, OnnxError> {
    let alone = key.kind == KeyKind::Elementwise || form == OperatorForm::Alone;
    let model = if alone { operator_model } else { sandwich_model };
    let scope = match form {
        OperatorForm::Alone => Scope::Whole,
        OperatorForm::Nodes | OperatorForm::Difference => Scope::Nodes(OPERATOR_NODE_PREFIX.to_owned()),
    };
    let bread = match form {
        OperatorForm::Difference => bread_models(key, batch_size, seed)?,
        OperatorForm::Nodes | OperatorForm::Alone => Vec::new(),
    };
    let without = bread.into_iter().map(|BreadModel { model, weight }| Without { model, weight }).collect();
    Ok(Subject { name: key.to_string(), model: model(key, batch_size, seed)?, scope, without })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_models() {
        let conv = OperatorKey::conv(3, 1, 8, 8, 15);
        let lone = OperatorKey { kind: KeyKind::Elementwise, ..OperatorKey::conv(1, 1, 8, 8, 15) };
        let nodes = Scope::Nodes(OPERATOR_NODE_PREFIX.to_owned());
        let is_alone = |subject: &Subject, key| subject.model == operator_model(key, 1, 0).unwrap();
        for (form, scope, without, conv_alone) in [
            (OperatorForm::Nodes, &nodes, 0, false),
            (OperatorForm::Difference, &nodes, 1, false),
            (OperatorForm::Alone, &Scope::Whole, 0, true),
        ] {
            for (key, alone) in [(&conv, conv_alone), (&lone, true)] {
                let subject = operator_subject(key, form, 1, 0).unwrap();
                assert_eq!((&subject.scope, subject.without.len()), (scope, without), "{form:?} {key}");
                assert_eq!(is_alone(&subject, key), alone, "{form:?} {key}");
            }
        }
    }
}
