//! Pages of several runs.

use std::fs;

use super::common::{cyclone, exits, finish, says};
use super::{SHORT, charts, done, needs_nothing_else, page, trained};

#[test]
fn runs_are_overlaid_and_repeats_have_bands() {
    let folder = trained(&["one", "two"]);
    done(folder.path(), &format!("train {SHORT} --repeats 3 --out many"));
    done(folder.path(), "report one two many --out drawn");
    let drawn = folder.path().join("drawn");
    let page = page(&drawn);
    needs_nothing_else(&page);
    says(&page, &["<h1>3 runs</h1>", "from the lowest to the highest", "mean ± deviation", "class=\"band\""]);
    let names =
        ["accuracy", "cost", "loss"].map(|kind| ["training", "validation"].map(|of| format!("runs-{kind}-{of}")));
    assert_eq!(charts(&drawn), names.concat());
    done(folder.path(), "report one two --out pair");
    assert!(!fs::read_to_string(folder.path().join("pair/report.html")).unwrap().contains("class=\"band\""));
}

#[test]
fn settings_that_differ_stand_side_by_side_and_folders_of_one_name_are_told_apart() {
    let folder = trained(&["a/run", "b/run"]);
    done(folder.path(), &format!("train {SHORT} --lambda 0.25 --out wide"));
    done(folder.path(), "report a/run b/run wide --out drawn");
    let page = page(&folder.path().join("drawn"));
    let table = page.split("Settings that differ</h3>").nth(1).unwrap().split("</table>").next().unwrap();
    says(
        table,
        &[
            "<th scope=\"col\">lambda</th>",
            "<th scope=\"col\">seed</th>",
            "<td>0.25</td>",
            ">a/run</th>",
            ">b/run</th>",
        ],
    );
    assert!(!table.contains("half-cycle"), "{table}");
    done(folder.path(), "report wide wide --out twice");
    says(&self::page(&folder.path().join("twice")), &["All have the same settings."]);
}

#[test]
fn many_runs_make_a_page_that_opens() {
    let folder = trained(&["r0"]);
    let names: Vec<_> = (0..40).map(|run| format!("r{run}")).collect();
    for name in &names[1..] {
        fs::create_dir(folder.path().join(name)).unwrap();
        for file in fs::read_dir(folder.path().join("r0")).unwrap().map(|entry| entry.unwrap()) {
            if file.path().is_file() {
                fs::copy(file.path(), folder.path().join(name).join(file.file_name())).unwrap();
            }
        }
    }
    let arguments: Vec<_> = ["report", "--out", "drawn"].into_iter().chain(names.iter().map(String::as_str)).collect();
    exits(&finish(&mut cyclone(folder.path(), &arguments)), 0);
    let page = page(&folder.path().join("drawn"));
    says(&page, &["<h1>40 runs</h1>", "Highest test accuracy", "and 20 more", "first 6 runs"]);
    assert_eq!(page.matches(">Answers to the test images: ").count(), 2 * 6, "a heading, and its place in the list");
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}
