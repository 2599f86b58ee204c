//! The page in a real browser: headless Chromium, if there is one.
//!
//! `check.html` opens it in a frame at the width of a desktop and of a phone, moves through its charts by keyboard and
//! changes the theme. Where there is no Chromium, a test says `NOT RUN` on standard error. `CYCLONE_CHROMIUM` names one.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::tempdir;

use super::common::{cyclone, exits, finish};
use super::printed::profile_of_a_gpu;
use super::{SHORT, done, trained};

/// Chromium by its names on various systems; none if there is none.
fn chromium() -> Option<PathBuf> {
    if let Some(given) = env::var_os("CYCLONE_CHROMIUM") {
        return Some(given.into());
    }
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// What `check.html` found of a page, and what the browser's console said; none if there is no browser.
fn opened(page: &Path) -> Option<(Value, Vec<String>)> {
    let Some(chromium) = chromium() else {
        let _ =
            writeln!(std::io::stderr(), "NOT RUN: {}: no Chromium in PATH, and no CYCLONE_CHROMIUM", page.display());
        return None;
    };
    let profile = tempdir().unwrap();
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/check.html");
    let address = format!("file://{}?file://{}", check.display(), page.canonicalize().unwrap().display());
    let output = finish(
        Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-quic"])
            .args(["--disable-background-networking", "--disable-component-update", "--allow-file-access-from-files"])
            .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(address),
    );
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = dom.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let found = serde_json::from_str(found).unwrap_or_else(|error| panic!("{error}: {dom}\n{log}"));
    Some((found, log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()))
}

/// Whether every check of a page came out well, with so many charts and some images.
fn is_good(found: &Value, charts: i64) -> bool {
    let views = found.as_array().unwrap();
    views.len() == 2
        && views.iter().all(|view| {
            let number = |key: &str| view[key].as_i64().unwrap();
            view["theme"] == true
                && number("overflow") <= 0
                && ["charts", "drawn", "moved"].iter().all(|key| number(key) == charts)
                && ["broken", "unnamed", "stuck"].iter().all(|key| number(key) == 0)
                && number("images") > 0
        })
}

#[test]
fn a_browser_opens_pages_without_complaint_on_desktop_and_phone() {
    let folder = trained(&["one", "a-run-with-a-name-that-is-much-too-long-to-stand-at-the-end-of-its-line"]);
    done(folder.path(), &format!("train {SHORT} --repeats 3 --out many"));
    done(folder.path(), "reproduce figure-1 --device cpu --data synthetic --scale 0.002 --quiet --out all");
    done(folder.path(), "reproduce table-1 --device cpu --data synthetic --scale 0.002 --quiet --out all");
    let names = ["one", "a-run-with-a-name-that-is-much-too-long-to-stand-at-the-end-of-its-line", "many", "all"];
    // The first run has a profile of a GPU and the CPU, too.
    fs::write(folder.path().join("one/profile.json"), profile_of_a_gpu().to_string()).unwrap();
    for (runs, charts) in [(&names[..1], 3 + 3), (&names[..3], 6 + 3), (&names[3..], 6)] {
        let arguments = [&["report", "--out", "drawn"], runs].concat();
        exits(&finish(&mut cyclone(folder.path(), &arguments)), 0);
        let Some((found, said)) = opened(&folder.path().join("drawn/report.html")) else { return };
        assert!(is_good(&found, charts), "{runs:?}: {found:#}");
        assert!(said.is_empty(), "{runs:?}: {said:?}");
    }
}

#[test]
fn a_browser_would_tell_of_a_page_that_is_wrong() {
    let folder = trained(&["run"]);
    done(folder.path(), "report run");
    let path = folder.path().join("run/report.html");
    let page = fs::read_to_string(&path).unwrap();
    let spoiled = |spoil: &dyn Fn(&str) -> String| {
        fs::write(&path, spoil(&page)).unwrap();
        opened(&path)
    };
    let Some((found, said)) = spoiled(&str::to_owned) else { return };
    assert!(is_good(&found, 3) && said.is_empty(), "{found:#} {said:?}");
    // Too wide, a picture that is none, and a script that is not the page's own, which its policy must not let run.
    for wrong in ["<p style='width:2000px'>wide</p></body>", "<img src='data:image/png;base64,AAAA'></body>"] {
        let (found, _) = spoiled(&|page| page.replace("</body>", wrong)).unwrap();
        assert!(!is_good(&found, 3), "{wrong}: {found:#}");
    }
    let script = "<script>document.body.replaceChildren()</script></body>";
    let (found, said) = spoiled(&|page| page.replace("</body>", script)).unwrap();
    assert!(is_good(&found, 3), "the script ran: {found:#}");
    assert!(said.iter().any(|line| line.contains("Content Security Policy")), "{said:?}");
}
