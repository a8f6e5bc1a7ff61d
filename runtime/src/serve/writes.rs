//! The routes that write, and those that say what became of a write.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use landfall_reference::script::{Ask, Script};
use landfall_reference::server::{Accepted, BulkWrite, IfMatch, Refusal, Server, normal};

use super::body::Piece;
use super::given::{BulkWriteBody, MergeBody, Written};
use super::json;
use super::routes::{Answer, Params, body_of, number};
use super::state::wall;
use super::visit::Visit;

pub(super) async fn put(visit: &mut Visit, params: Params, request: Request) -> Answer {
    let (path, expect) = (path_of(&params)?, if_match(&request)?);
    let content = body_of::<Written>(visit, request).await?.content()?;
    let script = visit.meet(&Ask::Put(path.clone())).await?;
    let by = visit.by.clone();
    let put = change(visit, |server| {
        let put = server.put_if(&by, &path, content, &expect, wall())?;
        script.doom(server, std::slice::from_ref(&put));
        Ok(put)
    })?;
    Ok(accepted(&put, script))
}

pub(super) async fn delete(visit: &mut Visit, params: Params, request: Request) -> Answer {
    let (path, expect) = (path_of(&params)?, if_match(&request)?);
    let script = visit.meet(&Ask::Delete(path.clone())).await?;
    let by = visit.by.clone();
    let gone = change(visit, |server| {
        let gone = server.delete_if(&by, &path, &expect, wall())?;
        script.doom(server, std::slice::from_ref(&gone));
        Ok(gone)
    })?;
    Ok(accepted(&gone, script))
}

pub(super) async fn bulk(visit: &mut Visit, request: Request) -> Answer {
    let files = body_of::<BulkWriteBody>(visit, request).await?.files();
    let ask = |file: &BulkWrite| {
        (normal(&file.path), file.content.as_ref().map(|content| content.hash()))
    };
    let script = visit.meet(&Ask::BulkWrite(files.iter().map(ask).collect())).await?;
    let by = visit.by.clone();
    let correlation = visit.correlation().to_owned();
    let body = change(visit, |server| {
        let fails = script.one_fails(files.len());
        let answer = server.bulk_write(&by, files, fails, wall())?;
        script.doom(server, &answer.written);
        Ok(json::bulk_written(&answer, server, &correlation))
    })?;
    Ok((StatusCode::ACCEPTED, vec![Piece::Bytes(body)], script))
}

pub(super) async fn merge(visit: &mut Visit, params: Params, request: Request) -> Answer {
    let path = path_of(&params)?;
    let merge = body_of::<MergeBody>(visit, request).await?.merge(path.clone());
    let script = visit.meet(&Ask::Merge(path)).await?;
    let by = visit.by.clone();
    let merged = change(visit, |server| {
        let merged = server.merge(&by, merge, wall())?;
        script.doom(server, std::slice::from_ref(&merged.accepted));
        Ok(merged)
    })?;
    Ok((StatusCode::OK, vec![Piece::Bytes(json::merged(&merged))], script))
}

pub(super) async fn op(visit: &mut Visit, id: String) -> Answer {
    let script = visit.meet(&Ask::Op(id.clone())).await?;
    let op = visit.shared.read(|server| server.op(&id, wall()))?;
    Ok((StatusCode::OK, vec![Piece::Bytes(json::op(&op))], script))
}

pub(super) async fn ops(visit: &mut Visit, params: Params) -> Answer {
    let limit = number(&params, "limit")?;
    let script = visit.meet(&Ask::Ops).await?;
    let ops = visit.shared.read(|server| server.ops(limit, wall()))?;
    Ok((StatusCode::OK, vec![Piece::Bytes(json::ops(&ops))], script))
}

/// The file that is written. Unlike a read, a write has to name one.
fn path_of(params: &Params) -> Result<String, Refusal> {
    match params.get("path") {
        Some(path) if !path.is_empty() => Ok(normal(path)),
        _ => Err(Refusal::bad_request("missing path query")),
    }
}

fn if_match(request: &Request) -> Result<IfMatch, Refusal> {
    let header = request.headers().get(header::IF_MATCH);
    match header.and_then(|value| value.to_str().ok()) {
        Some(text) => Ok(IfMatch::parse(text)),
        None => Err(Refusal::new(412, "precondition_failed", "missing If-Match header")),
    }
}

/// A change by a request: it is answered when it is stored.
fn change<R>(
    visit: &Visit,
    act: impl FnOnce(&mut Server) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    visit.shared.write(act).map_err(|why| {
        tracing::error!("{why}");
        Refusal::new(503, "unavailable", "the change can not be stored")
    })?
}

fn accepted(accepted: &Accepted, script: Script) -> (StatusCode, Vec<Piece>, Script) {
    (StatusCode::ACCEPTED, vec![Piece::Bytes(json::accepted(accepted))], script)
}
