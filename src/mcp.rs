//! A server of the Model Context Protocol over two streams: requests come in by the line, answers
//! go out by the line. The one place of the program that runs asynchronously, on one thread, and
//! only in this command; what is answered is [`SkillService`]'s.

mod lines;
mod server;
mod tools;

use std::io::{Read, Write};
use std::sync::Arc;

use rmcp::service::{QuitReason, ServiceExt as _};
use tokio::sync::Notify;

use ba_agent_core::error::{Error, Kind, Result, error};
use ba_agent_engine::ops::mcp::SkillService;
use ba_agent_system::interrupt;

use lines::LineTransport;
use server::McpServer;

/// Answers until the input ends, nobody reads the answers any more, or somebody asks to stop.
/// Returns the exit status.
///
/// # Errors
/// `Failed` where an answer cannot be written, and where there is no thread to work with.
pub(crate) fn serve(
    service: SkillService,
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
) -> Result<u8> {
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    interrupt::call_when_requested(move || stopped.notify_one());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| error!(Failed, "the server cannot begin").cause(e))?;
    let transport = LineTransport::begin(input, output)
        .map_err(|e| error!(Failed, "the server cannot begin").cause(e))?;
    let fault = transport.fault();
    let served = runtime.block_on(async {
        tokio::select! {
            served = answer(McpServer::new(service), transport) => served.map(|()| 0),
            () = stop.notified() => Ok(Kind::Interrupted.exit_status()),
        }
    });
    // The thread that waits for input cannot be ended; nobody waits for it.
    runtime.shutdown_background();
    match fault.take() {
        Some(fault) if fault.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error!(Failed, "an answer cannot be written").cause(fault))
        }
        _ => served,
    }
}

async fn answer(server: McpServer, transport: LineTransport) -> Result<()> {
    let shared = server.share();
    // Meanwhile the client says who it is. Whoever wants skills is told what does not work.
    let loading = server.share();
    std::thread::spawn(move || loading.load_catalog());
    let running = match server.serve(transport).await {
        Ok(running) => running,
        // Nothing was wanted.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(rmcp::service::ServerInitializeError::TransportError { .. }) => return Ok(()),
        Err(other) => return Err(Error::new(Kind::Failed, format!("the session did not begin: {other}"))),
    };
    let watcher = tokio::spawn(shared.watch(running.peer().clone()));
    let ended = running.waiting().await;
    watcher.abort();
    match ended {
        Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
        Ok(QuitReason::JoinError(e)) | Err(e) => {
            Err(error!(Failed, "the session ended unexpectedly").cause(e))
        }
        Ok(_) => Ok(()),
    }
}
