//! Downloading CIFAR-10: resumed after a broken connection, and verified before it is unpacked.
//!
//! The data goes to `NAME.part`, and the server's tag for this version of the file to `NAME.part.tag`. A later attempt
//! requests the rest of the same version (`Range` with `If-Range`, RFC 9110, section 13.1.5), and starts over if the server
//! has another one. The file gets its name once its size and MD5 are the published ones.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::cifar::{self, FILES, FOLDER, RECORD};
use super::{archive, binary};
use crate::error::{Error, Result, shown};
use crate::util::text::grouped;

mod part;
mod published;
mod space;

use part::{Lock, Part};
pub use published::{CIFAR_10, Published};
use space::{need_space, unwritable};

/// Timeouts and retries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time to connect.
    pub connect: Duration,
    /// Time without a byte.
    pub idle: Duration,
    /// Time for the whole download.
    pub overall: Duration,
    /// Attempts in a row that may bring nothing new.
    pub attempts: u32,
    /// Wait after the first such attempt; it doubles each time.
    pub wait: Duration,
    /// Longest wait.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// The official server is down to 50 kB/s at times, when the archive takes an hour. Without a network, five attempts
    /// take 15 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            overall: Duration::from_secs(6 * 3600),
            attempts: 5,
            wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Shows the progress of a download.
pub trait Watch {
    /// `bytes` of `total` have arrived.
    fn at(&mut self, bytes: u64, total: u64);

    /// A notice for the user.
    fn note(&mut self, text: &str);
}

/// Unpacks `archive` to `folder/cifar-10-batches-bin`, and returns that path and whether it is new.
///
/// The archive comes from `mirror`, an address or a file; without a mirror from `folder`, if it is there, or else from
/// where it is published.
pub fn install(
    archive: &Published<'_>,
    mirror: Option<&str>,
    folder: &Path,
    patience: &Patience,
    watch: &mut dyn Watch,
) -> Result<(PathBuf, bool)> {
    let destination = folder.join(FOLDER);
    if fs::symlink_metadata(&destination).is_ok() {
        return cifar::open(&destination).map(|_| (destination, false));
    }
    let unpacked = (FILES.len() * cifar::BATCH * RECORD) as u64;
    fs::create_dir_all(folder).map_err(|fault| unwritable(folder, archive.bytes + unpacked, &fault))?;
    let given = mirror.filter(|mirror| !mirror.contains("://")).map(Path::new);
    let kept = folder.join(archive.name);
    let dataset = if let Some(file) = given.or(kept.is_file().then_some(&kept)) {
        need_space(folder, unpacked)?;
        archive.check(file).map_err(|what| {
            let help = if given.is_none() {
                "; remove it to download it again"
            } else if file.exists() {
                ""
            } else {
                "; expected the archive, or an address that starts with https://"
            };
            Error::archive(file, what + help)
        })?;
        archive::open(file)?
    } else {
        need_space(folder, archive.bytes + unpacked)?;
        download(&Published { url: mirror.unwrap_or(archive.url), ..*archive }, folder, patience, watch)?;
        archive::open(&kept)?
    };
    binary::write_official(&dataset, &destination)?;
    if given.is_none() {
        // Its contents are in the folder now.
        fs::remove_file(&kept).map_err(|fault| Error::output(&kept, fault.to_string()))?;
    }
    Ok((destination, true))
}

/// Downloads a file to `folder`, resuming an earlier attempt.
pub fn download(published: &Published<'_>, folder: &Path, patience: &Patience, watch: &mut dyn Watch) -> Result<()> {
    let end = Instant::now() + patience.overall;
    let _lock = Lock::take(folder, published)?;
    let part = Part::new(folder, published.name);
    let mut fruitless = 0_u32;
    loop {
        let before = part.length();
        let reason = match attempt(published, &part, patience, end, watch) {
            Ok(()) => break,
            Err(Fault::Final(error)) => return Err(error),
            Err(Fault::Passing(reason)) => reason,
        };
        fruitless = if part.length() > before { 0 } else { fruitless + 1 };
        let wait = patience.wait.saturating_mul(1 << fruitless.saturating_sub(1).min(16)).min(patience.longest_wait);
        let late = Instant::now() + wait >= end;
        if fruitless >= patience.attempts || late {
            let why = if late { "the time limit is reached" } else { "every retry failed" };
            return Err(failed(published, folder, &format!("{reason}, and {why}"), true));
        }
        watch.note(&format!("{reason}; trying again in {:.0} s", wait.as_secs_f64()));
        std::thread::sleep(wait);
    }
    if let Err(what) = published.check(&part.path) {
        part.remove();
        return Err(failed(published, folder, &what, false));
    }
    let path = folder.join(published.name);
    let _ = fs::remove_file(&part.tag);
    fs::rename(&part.path, &path).map_err(|fault| Error::output(&path, fault.to_string()))
}

enum Fault {
    /// A retry may succeed.
    Passing(String),
    /// A retry will not help.
    Final(Error),
}

/// Downloads the rest of the part.
fn attempt(
    published: &Published<'_>,
    part: &Part,
    patience: &Patience,
    end: Instant,
    watch: &mut dyn Watch,
) -> Result<(), Fault> {
    let folder = part.path.parent().unwrap_or(Path::new("."));
    let give_up = |what: &str| Fault::Final(failed(published, folder, what, false));
    let unwritten = |fault: io::Error| Fault::Final(unwritable(&part.path, published.bytes, &fault));
    if part.length() == published.bytes {
        return Ok(());
    }
    let place = part.place().filter(|(length, _)| *length < published.bytes);
    let mut response = ask(published.url, place.as_ref(), patience, end).map_err(|error| refusal(&error, &give_up))?;
    let status = response.status();
    let start = match (status, &place) {
        (StatusCode::PARTIAL_CONTENT, Some((length, _))) if begins_at(&response, *length) => *length,
        (StatusCode::OK, _) => 0,
        (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            part.remove();
            return Err(Fault::Passing(format!("the server sent another part of the file than requested ({status})")));
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Fault::Passing(format!("the server answered {status}")));
        }
        _ => return Err(give_up(&format!("the server answered {status}"))),
    };
    if let Some(length) = response.body().content_length()
        && start.saturating_add(length) != published.bytes
    {
        let [found, expected] = [start.saturating_add(length), published.bytes].map(grouped);
        return Err(give_up(&format!("the server has {found} bytes, expected {expected}: this is another file")));
    }
    fs::write(&part.tag, version(&response)).map_err(unwritten)?;
    let opened = OpenOptions::new().create(true).append(start > 0).write(true).truncate(start == 0).open(&part.path);
    let mut file = opened.map_err(unwritten)?;

    let mut body = response.body_mut().as_reader();
    let mut block = vec![0; 1 << 16];
    let mut length = start;
    loop {
        watch.at(length, published.bytes);
        let count = match body.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
            Err(fault) => return Err(Fault::Passing(format!("after {} bytes: {fault}", grouped(length)))),
        };
        length += count as u64;
        if length > published.bytes {
            part.remove();
            return Err(give_up(&format!(
                "the server sends more than the {} bytes expected",
                grouped(published.bytes)
            )));
        }
        file.write_all(&block[..count]).map_err(unwritten)?;
        if Instant::now() >= end {
            return Err(Fault::Passing(format!("after {} bytes: too slow", grouped(length))));
        }
    }
    if length < published.bytes {
        return Err(Fault::Passing(format!("the connection ended after {} bytes", grouped(length))));
    }
    file.sync_all().map_err(unwritten)
}

/// Requests the file, or the rest of a version that is partly here.
fn ask(
    url: &str,
    place: Option<&(u64, String)>,
    patience: &Patience,
    end: Instant,
) -> Result<Response<Body>, ureq::Error> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.idle))
        .timeout_global(Some(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = agent.get(url);
    if let Some((length, tag)) = place {
        request = request.header(header::RANGE, format!("bytes={length}-")).header(header::IF_RANGE, tag);
    }
    request.call()
}

/// Whether a retry may help: a connection may come back, an invalid address stays invalid.
fn refusal(error: &ureq::Error, give_up: &dyn Fn(&str) -> Fault) -> Fault {
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BodyStalled => Fault::Passing(format!("no answer ({error})")),
        _ => give_up(&error.to_string()),
    }
}

/// Whether the response starts at byte `length` of the file.
fn begins_at(response: &Response<Body>, length: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {length}-")))
}

/// The server's tag for this version of the file; none if it is weak, as a weak tag cannot be requested again.
fn version(response: &Response<Body>) -> &str {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| text(header::LAST_MODIFIED)).unwrap_or_default()
}

/// The error of a failed download, with advice. `passes`: a retry may succeed later.
fn failed(published: &Published<'_>, folder: &Path, what: &str, passes: bool) -> Error {
    let Published { name, url, .. } = published;
    let again = match Part::new(folder, name).place() {
        Some((length, _)) if passes => format!("Run it again to resume after {} bytes, try", grouped(length)),
        None if passes => "Run it again later, try".into(),
        _ => "Try".into(),
    };
    let what = format!(
        "{what}. {again} another address with --mirror URL, or get {name} some other way, put it at {} and run it again",
        shown(&folder.join(name))
    );
    Error::Download { url: (*url).into(), what }
}
