//! Downloads from a badly behaved server on this machine.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod program;
mod server;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use cyclone::data::Dataset;
use cyclone::data::fetch::{Patience, Published, Watch, download, install};
use cyclone::data::spec::Source;
use cyclone::error::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use server::{Answer, cut, reply, rest, serve, whole};
use tempfile::{TempDir, tempdir};

/// 300,007 bytes, several blocks of the reader.
fn body() -> Vec<u8> {
    (0..300_007u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

const QUICK: Patience = Patience {
    connect: Duration::from_secs(2),
    idle: Duration::from_millis(300),
    overall: Duration::from_secs(20),
    attempts: 3,
    wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(20),
};

/// Records the notices and the progress.
#[derive(Default)]
struct Notes(Vec<String>, Vec<u64>);

impl Watch for Notes {
    fn at(&mut self, bytes: u64, _total: u64) {
        self.1.push(bytes);
    }

    fn note(&mut self, text: &str) {
        self.0.push(text.into());
    }
}

fn get_with(url: &str, folder: &Path, patience: &Patience) -> (Result<()>, Notes) {
    let (body, mut notes) = (body(), Notes::default());
    let published = Published { name: "archive", url, bytes: body.len() as u64, md5: &md5(&body) };
    (download(&published, folder, patience, &mut notes), notes)
}

fn get(url: &str, folder: &Path) -> (Result<()>, Notes) {
    get_with(url, folder, &QUICK)
}

/// Checks that the folder has the file and nothing else.
#[track_caller]
fn complete(folder: &TempDir) {
    assert_eq!(fs::read(folder.path().join("archive")).unwrap(), body());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the file is left");
}

/// The error message of a download that fails permanently and leaves no file.
#[track_caller]
fn refusal(answers: Vec<Answer>) -> String {
    let folder = tempdir().unwrap();
    let (url, _requests) = serve(answers);
    let error = get(&url, folder.path()).0.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert!(!folder.path().join("archive").exists());
    let message = error.to_string();
    assert!(message.starts_with(&url) && message.contains("--mirror") && message.contains("put it at"), "{message}");
    message
}

#[test]
fn a_file_is_downloaded_and_its_progress_is_reported() {
    let folder = tempdir().unwrap();
    let (url, _requests) = serve(vec![whole(&body())]);
    let (result, notes) = get(&url, folder.path());
    result.unwrap();
    complete(&folder);
    assert!(notes.0.is_empty() && notes.1.is_sorted() && notes.1.last() == Some(&300_007), "{:?}", notes.0);
}

#[test]
fn a_broken_connection_is_resumed() {
    let folder = tempdir().unwrap();
    let body = body();
    let (url, requests) = serve(vec![cut(&body, 100_001), rest(&body, 100_001)]);
    let (result, notes) = get(&url, folder.path());
    result.unwrap();
    complete(&folder);
    assert!(notes.0[0].contains("100,001"), "{:?}", notes.0);
    assert!(!requests.recv().unwrap().contains("range"));
    let second = requests.recv().unwrap();
    assert!(second.contains("range: bytes=100001-") && second.contains("if-range: \"one\""), "{second}");
}

#[test]
fn the_download_of_a_killed_process_is_resumed() {
    let folder = tempdir().unwrap();
    let body = body();
    fs::write(folder.path().join("archive.part"), &body[..5_000]).unwrap();
    fs::write(folder.path().join("archive.part.tag"), "\"one\"").unwrap();
    let (url, requests) = serve(vec![rest(&body, 5_000)]);
    get(&url, folder.path()).0.unwrap();
    complete(&folder);
    assert!(requests.recv().unwrap().contains("range: bytes=5000-"));
}

#[test]
fn another_version_of_the_file_is_downloaded_from_the_start() {
    let folder = tempdir().unwrap();
    // Part of an older version, which the server no longer has: it sends the whole new one.
    fs::write(folder.path().join("archive.part"), [9; 5_000]).unwrap();
    fs::write(folder.path().join("archive.part.tag"), "\"old\"").unwrap();
    let (url, requests) = serve(vec![whole(&body())]);
    get(&url, folder.path()).0.unwrap();
    complete(&folder);
    assert!(requests.recv().unwrap().contains("if-range: \"old\""));
}

#[test]
fn a_part_without_a_version_is_downloaded_from_the_start() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("archive.part"), [9; 5_000]).unwrap();
    let (url, requests) = serve(vec![whole(&body())]);
    get(&url, folder.path()).0.unwrap();
    complete(&folder);
    assert!(!requests.recv().unwrap().contains("range"));
}

#[test]
fn a_response_with_the_wrong_range_is_not_used() {
    let folder = tempdir().unwrap();
    let body = body();
    let (url, _requests) = serve(vec![cut(&body, 1_000), rest(&body, 2_000), whole(&body)]);
    get(&url, folder.path()).0.unwrap();
    complete(&folder);
}

#[test]
fn server_errors_are_retried_a_few_times() {
    let folder = tempdir().unwrap();
    let busy = || reply("503 Service Unavailable", "Content-Length: 0\r\n", b"");
    let (url, _requests) = serve(vec![busy(), busy(), whole(&body())]);
    let (result, notes) = get(&url, folder.path());
    result.unwrap();
    assert_eq!(notes.0.len(), 2);
    complete(&folder);
    let message = refusal(vec![busy(), busy(), busy()]);
    assert!(message.contains("503") && message.contains("Run it again later, try"), "{message}");
    // If a part is kept, the message says so.
    let message = refusal(vec![cut(&body(), 1_000), busy(), busy(), busy()]);
    assert!(message.contains("Run it again to resume after 1,000 bytes, try"), "{message}");
}

#[test]
fn a_missing_file_is_not_retried() {
    let message = refusal(vec![reply("404 Not Found", "Content-Length: 0\r\n", b"")]);
    assert!(message.contains("404 Not Found. Try another address"), "{message}");
}

#[test]
fn a_web_page_instead_of_the_file_is_refused() {
    let page = b"<html>please log in</html>";
    assert!(refusal(vec![whole(page)]).contains("26 bytes, expected 300,007"));
    // Without a length, a short file looks like a broken connection until the last retry.
    let endless = || reply("200 OK", "", page);
    assert!(refusal(vec![endless(), endless(), endless(), endless()]).contains("after 26 bytes"));
}

#[test]
fn another_file_of_the_same_length_is_refused_and_removed() {
    let folder = tempdir().unwrap();
    let mut other = body();
    other[150_000] ^= 1;
    let (url, _requests) = serve(vec![whole(&other)]);
    let message = get(&url, folder.path()).0.unwrap_err().to_string();
    assert!(message.contains(&md5(&body())) && message.contains(&md5(&other)), "{message}");
    assert!(message.contains("damaged. Try another address"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn endless_redirects_are_refused() {
    let turn = || reply("302 Found", "Location: /archive\r\nContent-Length: 0\r\n", b"");
    assert!(refusal((0..20).map(|_| turn()).collect()).contains("redirects"));
}

#[test]
fn more_than_was_published_is_refused() {
    let message = refusal(vec![reply("200 OK", "", &[body(), body()].concat())]);
    assert!(message.contains("more than the 300,007 bytes expected"), "{message}");
}

#[test]
fn a_silent_server_times_out() {
    let silent = || -> Answer {
        Box::new(|stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300007\r\n\r\n");
            thread::sleep(Duration::from_secs(5));
        })
    };
    let start = Instant::now();
    let message = refusal(vec![silent(), silent(), silent()]);
    assert!(message.contains("timeout"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(4), "three idle times of 0.3 s");
}

#[test]
fn a_slow_server_reaches_the_time_limit() {
    let folder = tempdir().unwrap();
    let drip = || -> Answer {
        Box::new(|stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300007\r\nETag: \"one\"\r\n\r\n");
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        })
    };
    let (url, _requests) = serve((0..9).map(|_| drip()).collect());
    let start = Instant::now();
    let (result, _) = get_with(&url, folder.path(), &Patience { overall: Duration::from_secs(1), ..QUICK });
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert!(error.to_string().contains("time limit is reached"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn two_processes_do_not_download_to_the_same_file() {
    let folder = tempdir().unwrap();
    let (sender, wait) = channel::<()>();
    let body = body();
    let slow: Answer = Box::new(move |stream| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
        let _ = wait.recv();
        let _ = stream.write_all(&body);
    });
    let (url, requests) = serve(vec![slow]);
    let patient = Patience { idle: Duration::from_secs(60), overall: Duration::from_secs(60), ..QUICK };
    thread::scope(|scope| {
        let first = scope.spawn(|| get_with(&url, folder.path(), &patient).0);
        requests.recv().unwrap();
        let error = get(&url, folder.path()).0.unwrap_err();
        assert_eq!(error.exit_code(), 9, "{error}");
        assert!(error.to_string().contains("another process is downloading this file"), "{error}");
        sender.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    complete(&folder);
}

#[test]
fn without_a_server_the_message_says_where_to_put_the_file() {
    let folder = tempdir().unwrap();
    // A port that was free a moment ago.
    let url = format!("http://{}/", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = get(&url, folder.path()).0.unwrap_err();
    assert!(matches!(error, Error::Download { .. }));
    assert!(error.to_string().contains(&folder.path().join("archive").display().to_string()), "{error}");
}

/// An archive like the official one, with black pixels but for one in each file.
fn black_archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for name in [1, 2, 3, 4, 5].map(|batch| format!("data_batch_{batch}.bin")).iter().chain([&"test_batch.bin".into()])
    {
        let mut bytes = vec![0; 30_730_000];
        // No two files are equal.
        bytes[1] = name.as_bytes()[name.len() - 5];
        bytes.iter_mut().step_by(3073).zip((0..10).cycle()).for_each(|(label, class)| *label = class);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("cifar-10-batches-bin/{name}"), &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_is_fetched_unpacked_and_found_again() {
    let folder = tempdir().unwrap();
    let packed = black_archive();
    let (url, _requests) = serve(vec![whole(&packed)]);
    let archive = Published { name: "a.tar.gz", url: &url, bytes: packed.len() as u64, md5: &md5(&packed) };
    let install = |mirror: Option<&str>| install(&archive, mirror, folder.path(), &QUICK, &mut Notes::default());
    let there = folder.path().join("cifar-10-batches-bin");
    assert_eq!(install(None).unwrap(), (there.clone(), true));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the archive is gone, its files are there");
    let dataset = Dataset::open(&Source::Path(there.clone())).unwrap();
    assert_eq!((dataset.train, dataset.labels.len()), (50_000, 60_000));
    assert_eq!(dataset.labels[50_003], 3);
    assert_eq!(install(None).unwrap(), (there.clone(), false), "nothing is asked for again");

    // From a file, which is kept, and from one that was put into the folder by hand.
    for (place, mirror) in [("kept.tar.gz", true), ("a.tar.gz", false)] {
        fs::remove_dir_all(&there).unwrap();
        let path = folder.path().join(place);
        fs::write(&path, &packed).unwrap();
        let mirror = mirror.then(|| path.to_str().unwrap());
        assert_eq!(install(mirror).unwrap(), (there.clone(), true));
        assert_eq!(path.exists(), mirror.is_some());
    }
}
