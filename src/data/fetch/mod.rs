//! Getting CIFAR-10: a download that survives bad lines, checked before anything is made of it.
//!
//! A download grows in `NAME.part`, beside which `NAME.part.tag` keeps what the server called that version of the file. A
//! later attempt asks for the rest of that very version (`Range` with `If-Range`, RFC 9110, section 13.1.5) and starts
//! anew where the server has another one. Length and MD5 must be the published ones before the file gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::cifar::{self, FILES, FOLDER, RECORD};
use super::{archive, binary, hex};
use crate::error::{Error, Result, shown};
use crate::util::text::{bytes, grouped};

mod part;

use part::{Lock, Part};

/// A file to download, and how to know it.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Where it is published.
    pub url: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its MD5, in hexadecimal.
    pub md5: &'a str,
}

/// The official archive, as <https://www.cs.toronto.edu/~kriz/cifar.html> publishes it.
pub const CIFAR_10: Published<'static> = Published {
    name: "cifar-10-binary.tar.gz",
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    bytes: 170_052_171,
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
};

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub idle: Duration,
    /// For everything.
    pub overall: Duration,
    /// How often in a row an attempt may bring nothing new.
    pub attempts: u32,
    /// The wait after the first such attempt; it doubles each time.
    pub wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// The official server gives 50 kB/s at bad times, when the archive takes an hour. Five attempts in vain take 15 s
    /// where there is no network at all.
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

/// Who watches a download.
pub trait Watch {
    /// So many of `total` bytes are there.
    fn at(&mut self, bytes: u64, total: u64);

    /// Something to know.
    fn note(&mut self, text: &str);
}

/// Makes `folder/cifar-10-batches-bin` of `archive`, from `mirror`, an address or a file, or from where it is published.
/// Returns that path, and whether it was made only now. An archive that lies in `folder` already is used instead of a
/// download.
///
/// # Errors
///
/// [`Error::Download`] and [`Error::Archive`] for what did not arrive or is not the archive, [`Error::Output`] if it
/// cannot be written, [`Error::Data`] for a thing of that name that is no CIFAR-10.
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
    fs::create_dir_all(folder).map_err(|fault| full(folder, archive.bytes + unpacked, &fault))?;
    let given = mirror.filter(|mirror| !mirror.contains("://")).map(Path::new);
    let kept = folder.join(archive.name);
    let dataset = if let Some(file) = given.or(kept.is_file().then_some(&kept)) {
        need_space(folder, unpacked)?;
        check(file, archive).map_err(|what| {
            let help = if given.is_none() {
                "; remove it, and it is downloaded"
            } else if file.exists() {
                ""
            } else {
                "; expected the archive, or an address that begins with https://"
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
        // All that is in it is in the folder now.
        fs::remove_file(&kept).map_err(|fault| Error::output(&kept, fault.to_string()))?;
    }
    Ok((destination, true))
}

/// Downloads a file into `folder`, going on with what an earlier attempt has left there.
///
/// # Errors
///
/// [`Error::Download`] if it does not arrive or is another file, [`Error::Output`] if it cannot be written,
/// [`Error::Busy`] if another process downloads it.
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
            let why = if late { "the time for it is over" } else { "it did not get better" };
            return Err(failed(published, folder, &format!("{reason}, and {why}"), true));
        }
        watch.note(&format!("{reason}; trying again in {:.0} s", wait.as_secs_f64()));
        std::thread::sleep(wait);
    }
    if let Err(what) = check(&part.path, published) {
        part.remove();
        return Err(failed(published, folder, &what, false));
    }
    let path = folder.join(published.name);
    let _ = fs::remove_file(&part.tag);
    fs::rename(&part.path, &path).map_err(|fault| Error::output(&path, fault.to_string()))
}

/// Why an attempt ended early.
enum Fault {
    /// Another attempt may do better.
    Passing(String),
    /// It will not.
    Final(Error),
}

/// Brings the part to its full length.
fn attempt(
    published: &Published<'_>,
    part: &Part,
    patience: &Patience,
    end: Instant,
    watch: &mut dyn Watch,
) -> Result<(), Fault> {
    let folder = part.path.parent().unwrap_or(Path::new("."));
    let give_up = |what: &str| Fault::Final(failed(published, folder, what, false));
    let unwritten = |fault: io::Error| Fault::Final(full(&part.path, published.bytes, &fault));
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
            return Err(Fault::Passing(format!("the server sent another part than was asked for ({status})")));
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
        return Err(give_up(&format!("the server has {found} bytes, expected {expected}: that is another file")));
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

/// Sends the request, for the rest of a version if some of it is there.
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

/// Whether what failed may pass: a line that is down may be up again, an address that is none stays none.
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

/// Whether a part of a file starts at byte `length` of it.
fn begins_at(response: &Response<Body>, length: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {length}-")))
}

/// What the server calls this version of the file, if that can be asked for again: a weak tag cannot.
fn version(response: &Response<Body>) -> &str {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|tag| tag.starts_with('"'));
    strong.or_else(|| text(header::LAST_MODIFIED)).unwrap_or_default()
}

/// Demands the published length and checksum of a file.
fn check(path: &Path, published: &Published<'_>) -> Result<(), String> {
    let mut hash = Md5::new();
    let mut length = 0;
    let read = (|| {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut file = File::open(path)?;
        let mut block = vec![0; 1 << 18];
        loop {
            let count = file.read(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            length += count as u64;
            hash.update(&block[..count]);
        }
    })();
    read.map_err(|fault: io::Error| fault.to_string())?;
    let found = hex(&hash.finalize());
    if length == published.bytes && found == published.md5 {
        return Ok(());
    }
    let [length, expected] = [length, published.bytes].map(grouped);
    Err(format!(
        "{length} bytes with MD5 {found}, expected {expected} with {}: this is not {}, or it is damaged",
        published.md5, published.name
    ))
}

/// Refuses to begin what the disk cannot hold.
fn need_space(folder: &Path, needed: u64) -> Result<()> {
    // A file system that does not tell is tried.
    match fs4::available_space(folder) {
        Ok(free) if free < needed => Err(Error::output(folder, too_little(needed, free))),
        _ => Ok(()),
    }
}

fn full(path: &Path, needed: u64, fault: &io::Error) -> Error {
    let is_full = matches!(fault.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let free = path.parent().filter(|_| is_full).and_then(|folder| fs4::available_space(folder).ok());
    let help = free.map_or("name another folder with --dest".into(), |free| too_little(needed, free));
    Error::output(path, format!("cannot be written: {fault}; {help}"))
}

fn too_little(needed: u64, free: u64) -> String {
    let [needed, free] = [needed, free].map(|n| bytes(n.into()));
    format!("{needed} are needed in all and {free} are free here: free some, or name another folder with --dest")
}

/// The end of a download, with what can be done. What passes may be gone by another time.
fn failed(published: &Published<'_>, folder: &Path, what: &str, passes: bool) -> Error {
    let Published { name, url, .. } = published;
    let again = match Part::new(folder, name).place() {
        Some((length, _)) if passes => format!("Run it again to go on after {} bytes, try", grouped(length)),
        None if passes => "Run it again later, try".into(),
        _ => "Try".into(),
    };
    let what = format!(
        "{what}. {again} another address with --mirror URL, or get {name} by other means, put it at {} and run it again",
        shown(&folder.join(name))
    );
    Error::Download { url: (*url).into(), what }
}
