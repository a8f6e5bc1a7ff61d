//! `--shard`, `--seeds-from` and `--summary`: what a batch engine needs to run a fleet.

use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use landfall_sim::faults::Kind;
use landfall_sim::hunt::{Bag, Failure, How};
use landfall_sim::oracles::Oracle;
use serde_json::{Map, Value, json};

/// Scale out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scale out")]
pub struct Scale {
    /// Only the part I, counted from 0, of N equal parts of `--seeds`.
    #[arg(long, value_name = "I/N", requires = "seeds")]
    shard: Option<Shard>,
    /// Begin `--seeds` at a number derived from a commit hash, so that each commit tries others.
    #[arg(long, value_name = "HASH", requires = "seeds", value_parser = offset)]
    seeds_from: Option<u64>,
    /// Write what the hunt found as JSON.
    #[arg(long, value_name = "FILE", requires = "seeds")]
    summary: Option<PathBuf>,
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Shard {
    part: u64,
    of: u64,
}

impl FromStr for Shard {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (part, of) = text.split_once('/')?;
            Some(Self { part: part.parse().ok()?, of: of.parse().ok()? })
        };
        parse()
            .filter(|shard| shard.part < shard.of)
            .ok_or_else(|| format!("`{text}` is no part; write 0/4 for the first of four"))
    }
}

/// Twelve hex digits are enough to tell commits apart, and leave room above them.
fn offset(hash: &str) -> Result<u64, String> {
    let digits = hash.get(..12).filter(|_| hash.bytes().all(|b| b.is_ascii_hexdigit()));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("`{hash}` is no commit hash; give at least 12 hex digits"))
}

impl Scale {
    /// The seeds of this part.
    pub fn seeds(&self, seeds: Range<u64>) -> Range<u64> {
        let from = self.seeds_from.unwrap_or(0);
        let (start, end) = (seeds.start.saturating_add(from), seeds.end.saturating_add(from));
        let Some(Shard { part, of }) = self.shard else { return start..end };
        let count = u128::from(end - start);
        let at = |part: u64| start + (count * u128::from(part) / u128::from(of)) as u64;
        at(part)..at(part + 1)
    }

    /// Writes the summary, if one is wanted. Answers whether that went well.
    pub fn write(
        &self,
        seeds: &Range<u64>,
        bag: &Bag,
        code: u8,
        reproduce: impl Fn(&Failure) -> String,
    ) -> bool {
        let Some(path) = &self.summary else { return true };
        let text = summary(seeds, bag, code, reproduce).to_string() + "\n";
        match std::fs::write(path, text) {
            Ok(()) => true,
            Err(why) => {
                eprintln!("sim: the summary can not be written to {}: {why}", path.display());
                false
            }
        }
    }
}

fn summary(
    seeds: &Range<u64>,
    bag: &Bag,
    code: u8,
    reproduce: impl Fn(&Failure) -> String,
) -> Value {
    let counts = |names: Vec<String>, counts: &[u64]| -> Map<String, Value> {
        names.into_iter().zip(counts).map(|(name, n)| (name, json!(n))).collect()
    };
    let failure = |failure: &Failure| {
        let (oracle, item, detail) = match &failure.how {
            How::Verdict(verdict) => {
                let (oracle, item) = verdict
                    .signature()
                    .map_or((None, None), |(oracle, item)| (Some(oracle.to_string()), Some(item)));
                (oracle, item, verdict.to_string())
            }
            How::Differs { step } => {
                (Some("determinism".into()), None, format!("two runs differ from step {step} on"))
            }
        };
        json!({
            "seed": failure.seed,
            "oracle": oracle,
            "item": item,
            "detail": detail,
            "reproduce": reproduce(failure),
        })
    };
    json!({
        "schema": "landfall.sim/1",
        "seeds": { "from": seeds.start, "upto": seeds.end },
        "runs": bag.runs,
        "failed": bag.failures.len(),
        "exitCode": code,
        "failures": bag.failures.iter().map(failure).collect::<Vec<_>>(),
        "steps": bag.steps,
        "simulatedMs": bag.awake.0,
        "cpuMs": bag.cpu,
        "slowest": { "seed": bag.slowest.1, "inStepAfterMs": bag.slowest.0.0 },
        "faults": counts(Kind::ALL.iter().map(Kind::to_string).collect(), &bag.kinds),
        "judgements": counts(Oracle::ALL.iter().map(Oracle::to_string).collect(), &bag.judged),
        "never": bag.zeros(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(shard: Option<&str>, seeds_from: Option<u64>) -> Scale {
        let shard = shard.map(|shard| shard.parse().expect("a shard"));
        Scale { shard, seeds_from, summary: None }
    }

    #[test]
    fn the_parts_are_the_whole_and_no_seed_is_run_twice() {
        let parts = (0..7).map(|part| args(Some(&format!("{part}/7")), None).seeds(3..1_003));
        let seeds: Vec<u64> = parts.flatten().collect();
        assert!(seeds.into_iter().eq(3..1_003));
        assert!("4/4".parse::<Shard>().is_err());
        assert!("1".parse::<Shard>().is_err());
    }

    #[test]
    fn a_commit_moves_the_seeds() {
        let from = offset("9dc8f7f00000aaaabbbbccccddddeeeeffff0000").expect("a hash");
        assert_eq!(from, 0x9dc8_f7f0_0000);
        assert_eq!(args(None, Some(from)).seeds(0..10), from..from + 10);
        assert!(offset("HEAD").is_err());
    }
}
