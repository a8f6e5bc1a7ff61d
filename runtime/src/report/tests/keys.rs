//! The keys that scripts read.

use super::*;

#[test]
fn a_status_file_of_another_client_is_no_status() {
    let theirs = r#"{"workspaceId":"acme","remoteRoot":"/x","syncMode":"mirror","status":"ready",
        "lastEventAt":"2026-01-01T00:00:00Z","daemon":{"pid":1,"logFile":"l","pidFile":"p"}}"#;
    let file: StatusFile = serde_json::from_str(theirs).unwrap();
    let case = Case::told(in_step()).dead().with(|case| case.file = Some(file));
    assert_eq!(case.decided().0, Verdict::Degraded);
    assert_eq!(case.json()["lastEventAt"], "2026-01-01T00:00:00Z");
    assert_eq!(case.json()["remoteRoot"], "/x");
}

#[test]
fn every_key_that_scripts_read_is_there() {
    // The list is that of the existing client's public state. `files` is asked for by itself,
    // and `incrementalReadNotReadySince` and `guards` have nothing that they could hold.
    let status = WorkspaceStatus {
        heard: trouble(Fault::Throttled),
        in_step_at: ago(1),
        last_applied: Some(Revision("rev_1".into())),
        listener: Listener { alive_at: ago(1), ..in_step().listener },
        circuit: Circuit { open: true, opened_at: ago(1), retry_at: soon(1), ..Circuit::default() },
        counters: Counters::default(),
        ..halted(brakes().next().unwrap())
    };
    let mut status = WorkspaceStatus { bootstrap: bootstrapping().bootstrap, ..status };
    status.heard.event_at = ago(1);
    status.listener.again_at = soon(1);
    let json = Case::told(status).expires(100).json();
    for path in "workspaceId remoteRoot localRoot mode syncMode intervalMs lastReconcileAt \
        lastSuccessfulReconcileAt lastEventAt staleAfter status states/stale states/offline \
        states/syncing states/hasConflicts states/hasPendingWriteback \
        states/outboxNeedsAttention pendingWriteback pendingConflicts deniedPaths \
        failedWritebacks lastError/kind lastError/statusCode lastError/code lastError/message \
        lastError/at lowMemory counters/skippedOversizeWriteback counters/deniedRootTarget \
        counters/pathMaterializationSkipped counters/snapshotDeleteBlocked \
        counters/circuitOpenEvents counters/tombstonesPending counters/tombstonesConfirmed \
        counters/tombstonesAgedOut counters/pathCollisionQuarantined \
        counters/skippedLazyUntrackedPush circuit/open circuit/openedAt circuit/openEvents \
        circuit/failures circuit/windowMs circuit/cooldownMs circuit/threshold \
        circuit/nextRetry outbox/pending outbox/needsAttention outbox/failed outbox/acked \
        lastAppliedRevision bootstrap/phase bootstrap/filesSynced bootstrap/filesTotal \
        bootstrap/startedAt bootstrap/currentPath bootstrap/pageOffset \
        bootstrap/directoriesPending bootstrap/directoriesDiscovered bootstrap/stallCycles \
        bootstrap/stallLimit bootstrap/reason reconcileAgeSecs credExpiresInSecs \
        eventListener/mode eventListener/status eventListener/heartbeatAt \
        eventListener/lastConnectedAt eventListener/lastAttemptAt eventListener/nextAttemptAt \
        providers daemon/pid stallReason"
        .split_whitespace()
    {
        assert!(json.pointer(&format!("/{path}")).is_some(), "{path} is missing");
    }
}

#[test]
fn a_time_beyond_the_calendar_is_no_reason_to_fail() {
    let mut status = in_step();
    (status.in_step_at, status.heard.event_at) = (Some(Wall(u64::MAX)), Some(Wall(u64::MAX)));
    let case = Case::told(status).expires(Ms::hours(1).0 as i64);
    assert_eq!(case.json()["lastEventAt"], "9999-12-31T23:59:59Z");
}
