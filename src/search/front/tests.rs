//! Fronts of small searches: what must hold of every one, and that they repeat.

use super::*;
use crate::search::spec::tests::OLD;
use crate::search::{RunDirectory, StopReason};

/// Parameters against a score, at 32 pixels.
fn spec(proxy: &str, points: u32) -> RunSpec {
    let text = OLD.replace("zen-closed", proxy).replace("population = 8", "population = 32");
    let text = text
        .replace("parameters = 1e6", "parameters = 2e5\nlayers = 12")
        .replace("iterations = 100", "iterations = 3200");
    let mut spec: RunSpec = toml::from_str(&text).unwrap();
    let space = spec.space().unwrap();
    spec.initial = space.initial(32).to_string();
    (spec.published_rules, spec.rails) = (false, space.rails.clone());
    let axis = |kind: &str, least| AxisSpec { kind: kind.to_owned(), setting: None, least };
    spec.front = Some(FrontSpec { points, knee: false, axes: vec![axis("parameters", Some(4e4)), axis(SCORE, None)] });
    spec
}

fn found(spec: &RunSpec, optimiser: Optimiser, threads: usize) -> Front {
    let wanted = spec.front.as_ref().unwrap();
    let config = spec.to_config(&[], threads).unwrap();
    find(&config, wanted, optimiser, &wanted.along(spec).unwrap(), &|| false, &mut |_| ()).unwrap()
}

/// No point beats another, each is within its limit, and what costs more is worth more.
fn check(front: &Front, most: f64) {
    assert!(front.points.len() > 2, "{:?}", front.points.len());
    for pair in front.points.windows(2) {
        assert!(pair[0].score > pair[1].score && pair[0].values[0] > pair[1].values[0], "{pair:?}");
    }
    for (point, rank) in front.points.iter().zip(1..) {
        assert!(point.values[0] <= most && point.values[0] == point.parameters as f64, "{point:?}");
        assert!(point.rank == rank && point.values[1] == point.score, "{point:?}");
    }
    assert!(front.hypervolume > 0.0);
}

#[test]
fn a_solved_front_is_proven_and_repeats() {
    let spec = spec("zen-closed", 5);
    let front = found(&spec, Optimiser::Auto, 2);
    check(&front, 2e5);
    assert_eq!((&front.not_solved, front.left_out.len()), (&None, 0));
    for point in &front.points {
        let (bound, gap_percent) = (point.bound.unwrap(), point.gap_percent.unwrap());
        assert!(bound >= point.score && gap_percent < 2.0, "{point:?}");
    }
    // The knee is neither end.
    let knee = front.knee().unwrap().rank;
    assert!(1 < knee && knee < front.points.len() as u32, "{knee}");
    let json = |front: &Front| serde_json::to_string(front).unwrap();
    assert_eq!(json(&front), json(&found(&spec, Optimiser::Auto, 1)));

    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(&folder.path().join("run"), &spec).unwrap();
    let config = spec.to_config(&[], 1).unwrap();
    let picked = front.knee().unwrap();
    let (winner, _) = front.write(&directory, &config, &spec, &[], picked, StopReason::Finished).unwrap();
    assert_eq!((winner.structure, winner.finalists.len()), (picked.structure.to_string(), 0));
    let run = crate::search::FinishedRun::read(directory.path()).unwrap();
    assert_eq!((&run.spec, run.best.clone()), (&spec, picked.structure.to_string()));
    assert_eq!(run.ranked(Some(1)).unwrap().1, front.points[0].structure.to_string());
    let text = std::fs::read_to_string(directory.path().join("front.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "rank,parameters,score,bound,gap_percent,layers,parameters,flops,structure");
    assert_eq!(lines.len(), front.points.len() + 1);
}

#[test]
fn nsga_finds_a_front_without_a_bound() {
    let spec = spec("zen-closed", 12);
    let solved = found(&spec, Optimiser::Auto, 2);
    let front = found(&spec, Optimiser::Evolution, 2);
    check(&front, 2e5);
    assert!(front.points.len() <= 12 && front.points.iter().all(|point| point.bound.is_none()));
    assert!(front.not_solved.is_some() && front.hypervolume < solved.hypervolume, "{}", front.hypervolume);
    let again = found(&spec, Optimiser::Evolution, 1);
    assert_eq!(serde_json::to_string(&front).unwrap(), serde_json::to_string(&again).unwrap());
    // Three axes, and one that is no sum over operators.
    let mut spec = spec;
    spec.budgets.push(crate::search::budget::BudgetSpec::new("activation_bytes", 1e6));
    let axis = AxisSpec { kind: "activation_bytes".to_owned(), setting: None, least: Some(1e4) };
    spec.front.as_mut().unwrap().axes.push(axis);
    let front = found(&spec, Optimiser::Auto, 2);
    assert!(front.not_solved.as_ref().unwrap().contains("activation_bytes"), "{:?}", front.not_solved);
    assert!(front.points.len() > 2 && front.points.iter().all(|point| point.values[2] <= 1e6));
}

#[test]
fn missing_limits_are_found() {
    let mut spec = spec("zen-closed", 5);
    spec.budgets.iter_mut().filter(|budget| budget.kind == "parameters").for_each(|b| b.limit = f64::INFINITY);
    spec.front.as_mut().unwrap().axes[0].least = None;
    settle(&mut spec, &[]).unwrap();
    let most = spec.budgets.iter().find(|budget| budget.kind == "parameters").unwrap().limit;
    let least = spec.front.as_ref().unwrap().axes[0].least.unwrap();
    assert!(least > 1e3 && (most / least - 20.0).abs() < 1e-9, "{least} to {most}");
    let settled = spec.clone();
    settle(&mut spec, &[]).unwrap();
    assert_eq!(spec, settled);
    spec.front.as_mut().unwrap().axes[0].least = Some(most);
    assert!(settle(&mut spec, &[]).unwrap_err().to_string().contains("the range of parameters is empty"));
    spec.front.as_mut().unwrap().axes.remove(0);
    assert!(settle(&mut spec, &[]).unwrap_err().to_string().contains("two or three axes"));
}
