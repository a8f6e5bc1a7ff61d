//! The contract of the network port for writes: what is staged arrives whole and once, and each
//! file gets its own answer.

use std::collections::BTreeSet;

use landfall_core::effect::{Push, Request};
use landfall_core::event::{Answer, Event, OpState, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, CommandId, OpId, Revision, UnitId};
use landfall_core::path::RemotePath;
use sha2::{Digest, Sha256};

use super::network::TestNetwork;
use crate::server::Server;

/// A network that can send what is staged. Behind it is the server of [`workspace`].
pub trait TestWrites: TestNetwork {
    /// Puts a finished blob on the stage.
    fn stage(&mut self, blob: BlobId, bytes: &[u8]);
}

/// The server that the cases write to: that of the [reads](super::network::workspace), with a
/// directory that may not be written, and one with a schema. An older one has no `fs/bulk`.
pub fn workspace(bulk: bool) -> Server {
    let mut server = super::network::workspace();
    let rules = &mut server.settings_mut().writes;
    rules.bulk = bulk;
    rules.denied = vec!["/denied".into()];
    rules.strict = vec!["/typed".into()];
    server
}

/// Puts a network through every way to write.
///
/// # Errors
///
/// The case, and the first difference.
pub fn check(network: &mut impl TestWrites, bulk: bool) -> Result<(), String> {
    let mut lab = Lab { network, n: 0 };
    if bulk {
        lab.many("many files, each with its own answer")?;
        lab.again("the same command again is answered as the first time")?;
        lab.lost("what is lost is not sent")?;
    } else {
        lab.no_route("an older server has no bulk write")?;
    }
    lab.too_large("a body that is too large", bulk)?;
    lab.single("files one by one")?;
    lab.deletes("deletes")
}

/// What the server of the cases has: `/a.md` at its second version, `rev_7`, and 9 events.
const A: &str = "rev_7";
const TIP: u64 = 9;

struct Lab<'n, N> {
    network: &'n mut N,
    n: u64,
}

impl<N: TestWrites> Lab<'_, N> {
    fn call(&mut self) -> CallId {
        self.n += 1;
        CallId { run: 1, unit: UnitId(0), n: self.n }
    }

    /// A push of these bytes, which are staged.
    fn push(&mut self, path: &str, base: Option<&str>, bytes: &[u8]) -> Push {
        let blob = BlobId { call: self.call(), part: 0 };
        self.network.stage(blob, bytes);
        Push {
            command: CommandId(format!("command_{}", self.n)),
            path: RemotePath::parse(path).unwrap_or_else(|why| unreachable!("{why}")),
            base: base.map(|base| Revision(base.into())),
            blob,
            hash: ContentHash(Sha256::digest(bytes).into()),
            size: bytes.len() as u64,
        }
    }

    /// Asks with as much credit as there are files, and collects what comes.
    fn ask(
        &mut self,
        request: Request,
        credit: u32,
    ) -> Result<(BTreeSet<String>, Outcome), String> {
        let call = self.call();
        self.network.ask(call, request, credit);
        let mut parts = BTreeSet::new();
        loop {
            match self.network.next() {
                // That a body goes out may be said at any time, and costs nothing.
                Event::Part { part: Part::Alive, .. } => {}
                Event::Part { call: of, part } if of == call => {
                    // The order of the files is not promised.
                    parts.insert(format!("{part:?}"));
                    if parts.len() > credit as usize {
                        return Err(format!("{part:?} comes without credit"));
                    }
                }
                Event::Done { call: of, outcome } if of == call => return Ok((parts, outcome)),
                other => return Err(format!("{other:?} has nothing to do with it")),
            }
        }
    }

    fn answers(
        &mut self,
        case: &str,
        request: Request,
        parts: &[Part],
        outcome: Outcome,
    ) -> Result<(), String> {
        let got = self.ask(request.clone(), 100).map_err(|why| format!("{case}: {why}"))?;
        let wanted = (parts.iter().map(|part| format!("{part:?}")).collect(), outcome);
        match got == wanted {
            true => Ok(()),
            false => {
                Err(format!("{case}: {request:#?} answers {got:#?}, should answer {wanted:#?}"))
            }
        }
    }

    /// The server has these bytes at a path.
    fn has(&mut self, case: &str, path: &str, bytes: &[u8]) -> Result<(), String> {
        let path = RemotePath::parse(path).unwrap_or_else(|why| unreachable!("{why}"));
        let (_, outcome) = self.ask(Request::Read { path: path.clone() }, 100)?;
        let wanted = ContentHash(Sha256::digest(bytes).into());
        match outcome {
            Outcome::Ok(Answer::Read(fetched)) if fetched.hash == wanted => Ok(()),
            other => Err(format!("{case}: {path} is {other:?}")),
        }
    }

    fn many(&mut self, case: &str) -> Result<(), String> {
        let text = "\u{feff}\"quoted\"\\\t\r\n\u{7f}\u{2028}\u{1f600}".repeat(20_000);
        let mut binary = b"\0\xff\x1b".repeat(50_000);
        binary.push(7);
        let mut lost = self.push("/lost", None, b"lost");
        lost.blob.part = 1;
        let mut other = self.push("/other", None, b"other bytes");
        other.hash = ContentHash([0; 32]);
        let files = vec![
            self.push("/new/\u{e9} \"text\".md", None, text.as_bytes()),
            self.push("/a.md", Some(A), b"changed"),
            lost,
            self.push("/new/binary", None, &binary),
            self.push("/docs/b.bin", None, b"is there"),
            self.push("/empty", Some("rev_1"), b"is newer"),
            self.push("/gone", Some("rev_8"), b"is gone"),
            self.push("/denied/a", None, b"may not"),
            self.push("/typed/a", None, b"no object"),
            other,
            self.push("/new/empty", None, b""),
        ];
        let rejected = Fault::Rejected {
            status: 0,
            said: "invalid_content: content is not a JSON object".into(),
        };
        let parts = [
            wrote("/new/\u{e9} \"text\".md", TIP + 1),
            wrote("/a.md", TIP + 2),
            wrote("/new/binary", TIP + 3),
            wrote("/new/empty", TIP + 4),
            refused("/lost", Fault::BlobLost),
            refused("/other", Fault::BlobLost),
            refused("/docs/b.bin", Fault::Conflict),
            refused("/empty", Fault::Conflict),
            refused("/gone", Fault::Conflict),
            refused("/denied/a", Fault::Forbidden),
            refused("/typed/a", rejected),
        ];
        let outcome = Outcome::Ok(Answer::WroteMany);
        self.answers(case, Request::PushMany { files }, &parts, outcome)?;
        self.has(case, "/new/\u{e9} \"text\".md", text.as_bytes())?;
        self.has(case, "/new/binary", &binary)?;
        self.has(case, "/new/empty", b"")?;
        self.has(case, "/a.md", b"changed")
    }

    fn again(&mut self, case: &str) -> Result<(), String> {
        let push = self.push("/again.md", None, b"once");
        let parts = [wrote("/again.md", TIP + 5)];
        for _ in 0..2 {
            let request = Request::PushMany { files: vec![push.clone()] };
            self.answers(case, request, &parts, Outcome::Ok(Answer::WroteMany))?;
        }
        Ok(())
    }

    fn lost(&mut self, case: &str) -> Result<(), String> {
        let mut push = self.push("/lost", None, b"lost");
        push.blob.part = 1;
        let alone = Request::PushMany { files: vec![push.clone()] };
        self.answers(case, alone, &[], failed(Fault::BlobLost))?;
        self.answers(case, Request::Push(push), &[], failed(Fault::BlobLost))
    }

    fn no_route(&mut self, case: &str) -> Result<(), String> {
        let files = vec![self.push("/a", None, b"a"), self.push("/b", None, b"b")];
        self.answers(case, Request::PushMany { files }, &[], failed(Fault::NotFound))
    }

    fn too_large(&mut self, case: &str, bulk: bool) -> Result<(), String> {
        let push = self.push("/large", None, &b"large".repeat(1 << 20));
        let said = format!("the body is over {} bytes", 1 << 20);
        let rejected = failed(Fault::Rejected { status: 413, said });
        if bulk {
            let files = vec![push.clone()];
            self.answers(case, Request::PushMany { files }, &[], rejected.clone())?;
        }
        self.answers(case, Request::Push(push), &[], rejected)
    }

    fn single(&mut self, case: &str) -> Result<(), String> {
        let push = self.push("/one/binary", None, b"\0one");
        let (_, outcome) = self.ask(Request::Push(push.clone()), 1)?;
        let Outcome::Ok(Answer::Wrote { revision, op: Some(op) }) = outcome else {
            return Err(format!("{case}: {push:?} answers {outcome:?}"));
        };
        self.has(case, "/one/binary", b"\0one")?;
        let done = Outcome::Ok(Answer::Op(OpState::Succeeded));
        self.answers(case, Request::Op { op }, &[], done)?;
        let no_op = Request::Op { op: OpId("op/../1".into()) };
        self.answers(case, no_op, &[], failed(Fault::NotFound))?;
        let rejected = Fault::Rejected { status: 422, said: "content is not a JSON object".into() };
        for (path, base, why) in [
            ("/one/binary", None, Fault::Conflict),
            ("/one/binary", Some("rev_1"), Fault::Conflict),
            ("/gone", Some("rev_8"), Fault::Conflict),
            ("/denied/a", None, Fault::Forbidden),
            ("/typed/a", None, rejected),
        ] {
            let push = self.push(path, base, b"other");
            self.answers(case, Request::Push(push), &[], failed(why))?;
        }
        let push = self.push("/one/binary", Some(&revision.0), b"two");
        match self.ask(Request::Push(push), 1)?.1 {
            Outcome::Ok(Answer::Wrote { .. }) => self.has(case, "/one/binary", b"two"),
            other => Err(format!("{case}: a change of {revision} answers {other:?}")),
        }
    }

    fn deletes(&mut self, case: &str) -> Result<(), String> {
        let mut delete = |path: &str, base: &str| {
            let request = Request::PushDelete {
                command: CommandId("command_delete".into()),
                path: RemotePath::parse(path).unwrap_or_else(|why| unreachable!("{why}")),
                base: Revision(base.into()),
            };
            self.ask(request, 1).map(|(_, outcome)| outcome)
        };
        for (path, base, wanted) in [
            ("/docs/b.bin", "rev_9", Some(Fault::Conflict)),
            ("/docs/b.bin", "rev_3", None),
            ("/docs/b.bin", "rev_3", Some(Fault::NotFound)),
            ("/denied/a", "rev_3", Some(Fault::Forbidden)),
        ] {
            let is_right = match (delete(path, base)?, wanted) {
                (Outcome::Ok(Answer::Deleted { op: Some(_) }), None) => true,
                (got, Some(why)) => got == failed(why),
                _ => false,
            };
            if !is_right {
                return Err(format!("{case}: {path} at {base} is answered wrongly"));
            }
        }
        Ok(())
    }
}

fn wrote(path: &str, number: u64) -> Part {
    Part::Wrote {
        path: path.into(),
        revision: Revision(format!("rev_{number}").into()),
        op: Some(OpId(format!("op_{number}"))),
    }
}

fn refused(path: &str, why: Fault) -> Part {
    Part::Refused { path: path.into(), blame: Blame::Payload, why }
}

fn failed(why: Fault) -> Outcome {
    Outcome::Failed { blame: Blame::Payload, why, retry_after: None }
}
