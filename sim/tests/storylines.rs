//! Patterns of faults at chosen moments, and a kill at every effect.

use landfall_sim::enumerate::{happy_path, kills};
use landfall_sim::faults::{Kind, Storyline};
use landfall_sim::options::Mode;
use landfall_sim::run::{Recipe, Report, Verdict, run};

/// The first run of each storyline.
fn each() -> impl Iterator<Item = (Storyline, Recipe)> {
    Storyline::ALL.iter().map(|storyline| {
        let told = |seed: &Recipe| seed.options.mode == Mode::Storyline(*storyline);
        let recipe = (0..2_000).map(Recipe::of).find(told).expect("a tenth are storylines");
        (*storyline, recipe)
    })
}

fn struck(report: &Report, kind: Kind) -> u64 {
    report.kinds[kind as usize]
}

#[test]
fn each_storyline_does_what_it_is_called_and_is_lived_through() {
    for (storyline, recipe) in each() {
        let report = run(&recipe);
        assert!(matches!(report.verdict, Verdict::InStep(_)), "{storyline}: {}", report.verdict);
        match storyline {
            Storyline::Swizzle => {
                let sources = [Kind::NoFeed, Kind::NoStream, Kind::EmptyListing, Kind::DiskFull];
                let gone = sources.iter().filter(|kind| struck(&report, **kind) > 0).count();
                assert!(gone >= 2, "{gone} sources were taken away");
            }
            Storyline::FlapAtBackoff => assert!(struck(&report, Kind::LinkBroken) > 3),
            Storyline::EmptyAfterStart => {
                assert!(
                    struck(&report, Kind::EmptyListing) + struck(&report, Kind::EmptyExport) > 0
                );
                assert!(report.counts.starts > 1);
            }
            Storyline::KillWhileRecovering => assert!(report.counts.kills > 3),
        }
    }
}

#[test]
fn the_faults_of_a_storyline_kept_by_their_addresses_are_the_same_run() {
    for (storyline, recipe) in each() {
        let report = run(&recipe);
        let kept = Recipe { kept: Some(report.fired.clone()), ..recipe };
        assert_eq!(run(&kept).hash, report.hash, "{storyline}");
    }
}

#[test]
fn a_kill_at_every_effect_of_the_happy_path_is_recovered_from() {
    let kills = kills(&happy_path(7));
    println!("{kills}");
    assert!(kills.effects >= 10, "{kills}");
    assert!(kills.failures.is_empty(), "{kills}");
    assert_eq!(kills.runs, kills.effects * 3);
    assert_eq!(kills.never_struck, 0, "{kills}");
}
