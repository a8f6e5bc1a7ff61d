//! Settings of the client that came before: what its scripts and units may still say.
//!
//! Those that mean the same here are flags of [`mount`](crate::mount) under their old names.
//! The others are listed below, so that none is passed over in silence: one that only tunes
//! something is answered with a warning, and one that asks for something else than would
//! happen is refused.

use clap::builder::Resettable;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// What is made of a setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    /// It changes nothing that anybody could miss.
    Warn(&'static str),
    /// It asks for something that is not there.
    Refuse(&'static str),
    /// This value is what happens anyway; any other is refused.
    Only(&'static str, &'static str),
}

use Then::{Only, Refuse, Warn};

/// In the place of a flag: it is a variable only.
const NO_FLAG: &str = "";

/// A setting: its flag, its variable, whether it is a switch, and what is made of it.
type Setting = (&'static str, &'static str, bool, Then);

const IN_MIRROR: &str = "what Landfall knows is kept in .relay/state.db of the mirror";
const ON_ITS_OWN: &str = "Landfall sees to that by itself";
const STREAMED: &str = "contents are streamed, and at most some MiB of them are in memory";
const LOGGED: &str = "use LANDFALL_LOG=debug";

#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    ("state-file", "RELAYFILE_MOUNT_STATE_FILE", false, Warn(IN_MIRROR)),
    ("state-dir", "RELAYFILE_MOUNT_STATE_DIR", false, Warn(IN_MIRROR)),
    ("mount-kind", "RELAYFILE_MOUNT_KIND", false, Warn(IN_MIRROR)),
    ("interval-jitter", "RELAYFILE_MOUNT_INTERVAL_JITTER", false, Warn("it is always 20 %")),
    ("cursor-timeout", "RELAYFILE_CURSOR_TIMEOUT", false, Warn("each request has its own deadline")),
    ("full-reconcile", "RELAYFILE_FORCE_FULL_RECONCILE", true, Warn(ON_ITS_OWN)),
    ("low-memory", "RELAYFILE_MOUNT_LOW_MEMORY", true, Warn(STREAMED)),
    ("memlog-interval", "RELAYFILE_MOUNT_MEMLOG_INTERVAL", false, Warn(LOGGED)),
    ("log-http-status", "RELAYFILE_MOUNT_LOG_HTTP_STATUS", true, Warn(LOGGED)),
    ("pprof-addr", "RELAYFILE_MOUNT_PPROF_ADDR", false, Warn("there is no such server")),
    (NO_FLAG, "RELAYFILE_MOUNT_TIMEOUT", false, Warn("there are no cycles to end; --timeout bounds --once")),
    (NO_FLAG, "RELAYFILE_MOUNT_FULL_PULL_EVERY", false, Warn(ON_ITS_OWN)),
    (NO_FLAG, "RELAYFILE_BOOTSTRAP_STALL_CYCLES", false, Warn("a bootstrap is never given up")),
    (NO_FLAG, "RELAYFILE_BOOTSTRAP_IDLE_TIMEOUT", false, Warn("it is always 90 s")),
    (NO_FLAG, "RELAYFILE_BOOTSTRAP_MAX_FILES_PER_CYCLE", false, Warn("there are no cycles to end")),
    (NO_FLAG, "RELAYFILE_INCREMENTAL_READ_NOT_READY_TTL", false, Warn("it is always 5 min")),
    (NO_FLAG, "RELAYFILE_CB_THRESHOLD", false, Warn("it is always 5 failures")),
    (NO_FLAG, "RELAYFILE_CB_WINDOW", false, Warn("it is always 60 s")),
    (NO_FLAG, "RELAYFILE_CB_COOLDOWN", false, Warn("it is always 30 s")),
    (NO_FLAG, "RELAYFILE_SNAPSHOT_DELETE_MIN_RATIO", false, Warn("two listings have to agree, and --max-delete bounds what they delete")),
    (NO_FLAG, "RELAYFILE_RESET_AFTER_CLOBBER", true, Refuse("look at `landfall status`, then use `landfall forget DIR`")),
    ("lazy-repos", "RELAYFILE_LAZY_REPOS", true, Refuse("every file is mirrored; mount a smaller --remote-path")),
    (NO_FLAG, "RELAYFILE_MOUNT_LAZY_GITHUB_REPOS", true, Refuse("every file is mirrored; mount a smaller --remote-path")),
    ("paths-file", "RELAYFILE_MOUNT_PATHS_FILE", false, Refuse("start one mount for each --remote-path")),
    ("provider", "RELAYFILE_MOUNT_PROVIDER", false, Warn("changes of all providers are followed")),
    ("fuse", "RELAYFILE_MOUNT_FUSE", true, Refuse("a mirror is a directory of real files")),
    ("mode", "RELAYFILE_MOUNT_MODE", false, Only("poll", "a mirror is a directory of real files")),
    ("local-layout", "RELAYFILE_MOUNT_LOCAL_LAYOUT", false, Only("exact", "--local-dir is the mirror; name the directory that you want")),
];

/// What was said, in the table's order.
#[derive(Clone, Debug, Default)]
pub struct Others {
    said: Vec<(Setting, String)>,
}

impl Others {
    /// Answers what to warn of.
    ///
    /// # Errors
    /// What is refused, and what to do instead.
    pub fn judge(&self) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        for ((flag, variable, switch, then), value) in &self.said {
            let off = *switch && ["false", "0", "no", "off"].contains(&value.as_str());
            let named = match (*flag, *variable) {
                (NO_FLAG, variable) => variable.to_owned(),
                (flag, variable) => format!("--{flag} ({variable})"),
            };
            match then {
                _ if off => {}
                Warn(why) => warnings.push(format!("{named} changes nothing: {why}")),
                Only(only, _) if value == only => {}
                Only(only, why) => {
                    return Err(format!("{named} can only be `{only}`: {why}"));
                }
                Refuse(why) => return Err(format!("{named} is not there: {why}")),
            }
        }
        Ok(warnings)
    }
}

impl clap::Args for Others {
    fn augment_args(command: Command) -> Command {
        let flags = SETTINGS.iter().filter(|setting| setting.0 != NO_FLAG);
        flags.fold(command, |command, (flag, variable, switch, _)| {
            let arg = Arg::new(*flag).long(*flag).env(*variable);
            let arg = arg.action(ArgAction::Set).hide(true);
            command.arg(match switch {
                true => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
                false => arg,
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Others {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |setting: &Setting| match setting.0 {
            NO_FLAG => std::env::var(setting.1).ok().filter(|value| !value.is_empty()),
            flag => matches.get_one::<String>(flag).cloned(),
        };
        let said = SETTINGS.iter().filter_map(|setting| Some((*setting, value(setting)?)));
        Ok(Self { said: said.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Takes a variable that is set to nothing for one that is not set, as compose files leave
/// them.
pub fn without_empty_variables(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
        match arg.get_env().is_some_and(empty) {
            true => arg.env(Resettable::Reset),
            false => arg,
        }
    });
    command.mut_subcommands(without_empty_variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    fn judged(args: &[&str]) -> Result<Vec<String>, String> {
        let command = Others::augment_args(Command::new("mount").no_binary_name(true));
        let matches = command.try_get_matches_from(args).map_err(|why| why.to_string())?;
        Others::from_arg_matches(&matches).unwrap().judge()
    }

    #[test]
    fn every_setting_is_answered_with_a_sentence() {
        for setting @ (flag, variable, _, then) in SETTINGS {
            let others = Others { said: vec![(*setting, "some".into())] };
            let answer = match others.judge() {
                Ok(warnings) => {
                    assert!(matches!(then, Warn(_)), "{flag}");
                    warnings.join("")
                }
                Err(refused) => refused,
            };
            assert!(answer.contains(flag) && answer.contains(variable), "{answer}");
        }
        assert_eq!(judged(&[]), Ok(vec![]));
        assert_eq!(judged(&["--low-memory", "--state-dir", "/x"]).unwrap().len(), 2);
        assert!(judged(&["--fuse"]).is_err());
    }

    #[test]
    fn what_happens_anyway_needs_no_word() {
        let said = ["--mode", "poll", "--local-layout", "exact"];
        assert_eq!(judged(&said), Ok(vec![]));
        assert_eq!(judged(&["--fuse=false", "--low-memory=0"]), Ok(vec![]));
        assert!(judged(&["--mode", "fuse"]).unwrap_err().contains("`poll`"));
    }
}
