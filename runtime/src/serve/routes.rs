//! The routes: from a request to a typed question, and from the typed answer to a body.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use futures_util::StreamExt;
use landfall_reference::script::{Ask, Script};
use landfall_reference::server::{Direction, EventsQuery, Refusal, TreeQuery, normal};

use super::body::{Piece, Shape};
use super::json::{self, BulkBody};
use super::state::{Route, Shared};
use super::visit::{Visit, json_response};
use super::{stream, tar, writes};

/// So many bytes of a body that is too large are read and forgotten: who still sends would find
/// the connection reset, and not read why.
const DRAIN_MAX: u64 = 64 * 1024 * 1024;

pub(super) type Params = BTreeMap<String, String>;

/// A finished answer, or the refusal to make one from.
pub(super) type Answer = Result<(StatusCode, Vec<Piece>, Script), Refusal>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/workspaces/{workspace}/fs/{what}", any(files))
        .route("/v1/workspaces/{workspace}/ops", any(operations))
        .route("/v1/workspaces/{workspace}/ops/{id}", any(operation))
        .fallback(nowhere)
        .with_state(shared)
}

async fn health() -> Response {
    json_response(StatusCode::OK, Body::from(r#"{"status":"ok"}"#))
}

async fn nowhere(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let visit = Visit::new(shared, Route::Other, request.uri().path());
    visit.refuse(&Refusal::no_route())
}

async fn files(
    State(shared): State<Arc<Shared>>,
    Path((workspace, what)): Path<(String, String)>,
    request: Request,
) -> Response {
    let method = request.method();
    let route = match what.as_str() {
        "tree" if method == Method::GET => Route::Tree,
        "file" if method == Method::GET => Route::File,
        "file" if method == Method::PUT => Route::Put,
        "file" if method == Method::DELETE => Route::Delete,
        "bulk" if method == Method::POST => Route::BulkWrite,
        "bulk-read" if method == Method::POST => Route::Bulk,
        "merge" if method == Method::POST => Route::Merge,
        "export" if method == Method::GET => Route::Export,
        "events" if method == Method::GET => Route::Events,
        "ws" if method == Method::GET => Route::Stream,
        _ => Route::Other,
    };
    enter(shared, &workspace, route, None, request).await
}

async fn operations(
    State(shared): State<Arc<Shared>>,
    Path(workspace): Path<String>,
    request: Request,
) -> Response {
    let route = if request.method() == Method::GET { Route::Ops } else { Route::Other };
    enter(shared, &workspace, route, None, request).await
}

async fn operation(
    State(shared): State<Arc<Shared>>,
    Path((workspace, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let route = if request.method() == Method::GET { Route::Op } else { Route::Other };
    enter(shared, &workspace, route, Some(id), request).await
}

async fn enter(
    shared: Arc<Shared>,
    workspace: &str,
    route: Route,
    op: Option<String>,
    request: Request,
) -> Response {
    let params = Query::<Params>::try_from_uri(request.uri());
    let params = params.map(|query| query.0);
    let param = |name: &str| params.as_ref().ok().and_then(|all| all.get(name)).cloned();
    let tip =
        param("direction").as_deref() == Some("desc") && param("limit").as_deref() == Some("1");
    let route = if route == Route::Events && tip { Route::Tip } else { route };
    let about = match route {
        Route::Events | Route::Tip | Route::Stream => param("cursor"),
        Route::Op => op.clone(),
        _ => param("path"),
    };
    let in_query = param("token").filter(|_| route == Route::Stream);
    let mut visit = Visit::new(shared, route, &about.unwrap_or_default());
    if let Err(refusal) = visit.enter(workspace, request.headers(), in_query.as_deref()) {
        return visit.refuse(&refusal);
    }
    if route == Route::Stream {
        let now = param("from").as_deref() == Some("now");
        return stream::open(visit, param("cursor"), now, request).await;
    }
    let answer = match params {
        Ok(params) => dispatch(&mut visit, route, op, params, request).await,
        Err(_) => Err(Refusal::bad_request("the query can not be read")),
    };
    match answer {
        Err(refusal) => visit.refuse(&refusal),
        Ok((status, pieces, script)) => {
            let revision = match pieces.first() {
                Some(Piece::File { file, .. }) if route == Route::File => Some(file.revision()),
                _ => None,
            };
            let archive = matches!(pieces.last(), Some(Piece::TarEnd));
            let mut response = visit.send(status, pieces, &script);
            if archive {
                let kind = HeaderValue::from_static(tar::TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            if let Some(etag) = revision.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(header::ETAG, etag);
            }
            response
        }
    }
}

async fn dispatch(
    visit: &mut Visit,
    route: Route,
    op: Option<String>,
    params: Params,
    request: Request,
) -> Answer {
    match route {
        Route::Tree => tree(visit, params).await,
        Route::File => file(visit, params).await,
        Route::Export => export(visit, params).await,
        Route::Events | Route::Tip => events(visit, params).await,
        Route::Bulk => bulk_read(visit, request).await,
        Route::Put => writes::put(visit, params, request).await,
        Route::Delete => writes::delete(visit, params, request).await,
        Route::BulkWrite => writes::bulk(visit, request).await,
        Route::Merge => writes::merge(visit, params, request).await,
        Route::Op => writes::op(visit, op.unwrap_or_default()).await,
        Route::Ops => writes::ops(visit, params).await,
        Route::Stream | Route::Other => Err(Refusal::no_route()),
    }
}

fn path_of(params: &Params) -> String {
    normal(params.get("path").map_or("/", String::as_str))
}

pub(super) fn number(params: &Params, name: &str) -> Result<Option<u32>, Refusal> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let parsed = text.parse();
    parsed.map(Some).map_err(|_| Refusal::bad_request(format!("invalid {name}")))
}

async fn tree(visit: &mut Visit, params: Params) -> Answer {
    let query = TreeQuery {
        path: path_of(&params),
        depth: number(&params, "depth")?,
        cursor: params.get("cursor").cloned().filter(|text| !text.is_empty()),
        exclude_mount_runtime: params.get("excludeMountRuntime").is_some_and(|on| on == "true"),
    };
    let ask = Ask::Tree(query.path.clone(), query.cursor.clone());
    let script = visit.meet(&ask).await?;
    let body = visit.shared.read(|server| {
        let view = script.view(server);
        Ok(json::tree(&view.tree(&query)?, &view))
    })?;
    Ok((StatusCode::OK, vec![Piece::Bytes(body)], script))
}

async fn file(visit: &mut Visit, params: Params) -> Answer {
    let path = path_of(&params);
    let script = visit.meet(&Ask::File(path.clone())).await?;
    let file = visit.shared.read(|server| server.now().read(&path).cloned())?;
    let piece = Piece::File { path, file, lead: "", shape: Shape::Full };
    Ok((StatusCode::OK, vec![piece], script))
}

async fn export(visit: &mut Visit, params: Params) -> Answer {
    let shape = match params.get("format").map(String::as_str) {
        Some("json") => Shape::Full,
        Some("tar") => Shape::Tar,
        _ => return Err(Refusal::bad_request("this server exports format=json and format=tar")),
    };
    let path = path_of(&params);
    let script = visit.meet(&Ask::Export(path.clone())).await?;
    let json = shape == Shape::Full;
    let mut pieces = Vec::new();
    if json {
        pieces.push(Piece::Bytes(b"[".to_vec()));
    }
    visit.shared.read(|server| {
        for (path, file) in script.view(server).export(&path) {
            pieces.push(Piece::File {
                path: path.to_owned(),
                file: file.clone(),
                lead: if json && pieces.len() > 1 { "," } else { "" },
                shape,
            });
        }
    });
    pieces.push(if json { Piece::Bytes(b"]".to_vec()) } else { Piece::TarEnd });
    Ok((StatusCode::OK, pieces, script))
}

async fn events(visit: &mut Visit, params: Params) -> Answer {
    let query = EventsQuery {
        cursor: params.get("cursor").cloned().filter(|text| !text.is_empty()),
        limit: number(&params, "limit")?,
        direction: match params.get("direction").map(String::as_str) {
            None | Some("" | "asc") => Direction::Ascending,
            Some("desc") => Direction::Descending,
            Some(_) => return Err(Refusal::bad_request("invalid direction")),
        },
    };
    let ask = match (query.direction, query.limit) {
        (Direction::Descending, Some(1)) => Ask::Tip,
        _ => Ask::Events(query.cursor.clone()),
    };
    let script = visit.meet(&ask).await?;
    let provider = params.get("provider").cloned();
    let body = visit.shared.read(|server| {
        let mut page = script.events(server, &query)?;
        if let Some(wanted) = provider {
            page.events.retain(|event| json::provider(&event.path) == wanted);
        }
        Ok(json::events(&page, server))
    })?;
    Ok((StatusCode::OK, vec![Piece::Bytes(body)], script))
}

async fn bulk_read(visit: &mut Visit, request: Request) -> Answer {
    let paths = body_of::<BulkBody>(visit, request).await?.paths;
    let script = visit.meet(&Ask::Bulk(paths.clone())).await?;
    let plan = visit.shared.plan();
    let mut pieces = vec![Piece::Bytes(br#"{"files":["#.to_vec())];
    let mut poisoned = Vec::new();
    visit.shared.read(|server| {
        let view = server.now();
        for (path, answer) in view.bulk_read(&paths)? {
            let lead = if pieces.len() > 1 { "," } else { "" };
            let answer = match Script::poisoned(&plan, &normal(&path)) {
                Some((address, refusal)) => {
                    poisoned.push(address.to_string());
                    Err(refusal)
                }
                None => answer,
            };
            pieces.push(match answer {
                Ok(file) => Piece::File { path, file: file.clone(), lead, shape: Shape::Bulk },
                Err(refusal) => {
                    let body = json::bulk_refusal(&path, &refusal);
                    Piece::Bytes([lead.as_bytes(), &body].concat())
                }
            });
        }
        Ok::<(), Refusal>(())
    })?;
    poisoned.into_iter().for_each(|fault| visit.note(fault));
    pieces.push(Piece::Bytes(b"]}".to_vec()));
    Ok((StatusCode::OK, pieces, script))
}

/// The body of a request, if it is no larger than the settings say.
pub(super) async fn body_of<T: serde::de::DeserializeOwned>(
    visit: &Visit,
    request: Request,
) -> Result<T, Refusal> {
    let max = visit.shared.read(|server| server.settings().writes.body_max);
    let mut pieces = request.into_body().into_data_stream();
    let (mut bytes, mut seen) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refusal::bad_request("the body is not whole"))?;
        seen += piece.len() as u64;
        if seen <= max {
            bytes.extend_from_slice(&piece);
        } else if seen > max.saturating_add(DRAIN_MAX) {
            break;
        }
    }
    if seen > max {
        return Err(Refusal::too_large(max));
    }
    serde_json::from_slice(&bytes).map_err(|_| Refusal::bad_request("the body can not be read"))
}
