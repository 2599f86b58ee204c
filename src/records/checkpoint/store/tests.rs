use std::cell::{Cell, RefCell};

use tempfile::{TempDir, tempdir};

use super::super::tests::{SHAPES, checkpoint, run};
use super::*;
use crate::util::files::System;

/// A disk whose Nth call fails, and all after it if the fault stays. A call that writes gets half of it done.
struct Faulty {
    calls: Cell<usize>,
    fails: usize,
    stays: bool,
}

impl Faulty {
    fn new(fails: usize, stays: bool) -> Self {
        Self { calls: Cell::new(0), fails, stays }
    }

    fn call(&self) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        let fails = self.calls.get() == self.fails || self.stays && self.calls.get() > self.fails;
        if fails { Err(io::Error::other("the disk failed, as it was told")) } else { Ok(()) }
    }
}

impl Disk for &Faulty {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.call().and_then(|()| System.create(path))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        match self.call() {
            Ok(()) => System.write(file, bytes),
            Err(error) => System.write(file, &bytes[..bytes.len() / 2]).and(Err(error)),
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.call().and_then(|()| System.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|()| System.rename(from, to))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call().and_then(|()| System.sync_folder(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call().and_then(|()| System.remove(path))
    }
}

/// A folder with the checkpoints of steps 1 and 2.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let store = Store::new(folder.path(), System);
    store.prepare().unwrap();
    store.save(&checkpoint(1)).unwrap();
    store.save(&checkpoint(2)).unwrap();
    folder
}

/// The last checkpoint that a new process finds, without any notice.
fn found(folder: &Path) -> Checkpoint {
    let store = Store::new(folder, System);
    store.prepare().unwrap();
    store.last(&run(), &SHAPES, |notice| panic!("{notice}")).unwrap().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("checkpoints")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn whichever_call_of_the_disk_fails_the_old_or_the_new_state_is_there() {
    for stays in [false, true] {
        let mut refused = 0;
        for fails in 1.. {
            let folder = folder();
            let faulty = Faulty::new(fails, stays);
            let saved = Store::new(folder.path(), &faulty).save(&checkpoint(3));
            if faulty.calls.get() < fails {
                saved.unwrap();
                break;
            }
            let error = saved.unwrap_err();
            assert_eq!(error.exit_code(), 4);
            assert!(error.to_string().contains("the disk failed"), "{error}");
            if !stays {
                assert!(!names(folder.path()).iter().any(|name| files::is_temporary(name)), "call {fails}");
            }
            // Its state is of the step in its name, so it is wholly the old or wholly the new one.
            let last = found(folder.path());
            assert!([checkpoint(2), checkpoint(3)].contains(&last), "call {fails}: step {}", last.state.step);
            // And the next save goes through.
            Store::new(folder.path(), System).save(&checkpoint(4)).unwrap();
            assert_eq!(found(folder.path()), checkpoint(4));
            refused += 1;
        }
        // Create, write, sync, rename, sync the folder, remove the oldest.
        assert_eq!(refused, 6);
    }
}

/// A disk that loses its power: of a file that was not synced half is left, and a name that was not synced may be what
/// it was.
#[derive(Default)]
struct PowerCut {
    calls: Cell<usize>,
    off_at: usize,
    unsynced: RefCell<Vec<PathBuf>>,
    /// Names given since the folder was synced, with the bytes that each had before.
    renamed: RefCell<Vec<(PathBuf, Option<Vec<u8>>)>>,
}

impl PowerCut {
    fn call(&self) -> io::Result<()> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() >= self.off_at { Err(io::Error::other("no power")) } else { Ok(()) }
    }

    /// What the disk holds when the power is back.
    fn back(&self, names_kept: bool) {
        for path in self.unsynced.borrow().iter().filter(|path| path.exists()) {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
        if !names_kept {
            for (path, before) in self.renamed.borrow().iter().rev() {
                match before {
                    Some(bytes) => fs::write(path, bytes).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
            }
        }
    }
}

impl Disk for &PowerCut {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.call()?;
        self.unsynced.borrow_mut().push(path.to_owned());
        System.create(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.call().and_then(|()| System.write(file, bytes))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.call()?;
        self.unsynced.borrow_mut().clear();
        System.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        for path in self.unsynced.borrow_mut().iter_mut().filter(|path| *path == from) {
            to.clone_into(path);
        }
        self.renamed.borrow_mut().push((to.to_owned(), fs::read(to).ok()));
        System.rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        self.renamed.borrow_mut().clear();
        System.sync_folder(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call().and_then(|()| System.remove(path))
    }
}

#[test]
fn whenever_the_power_fails_the_old_or_the_new_state_is_there() {
    for names_kept in [false, true] {
        for off_at in 1.. {
            let folder = folder();
            let disk = PowerCut { off_at, ..PowerCut::default() };
            let store = Store::new(folder.path(), &disk);
            let saved = store.save(&checkpoint(3));
            let on = disk.calls.get() < off_at;
            // The best one is always written over another.
            let best =
                saved.and_then(|()| store.save_best(&checkpoint(1))).and_then(|()| store.save_best(&checkpoint(3)));
            disk.back(names_kept);
            let last = found(folder.path());
            assert!([checkpoint(2), checkpoint(3)].contains(&last), "call {off_at}: step {}", last.state.step);
            assert!(!on || last == checkpoint(3), "an Ok was said, and the state is gone");
            if let Ok(bytes) = fs::read(folder.path().join("checkpoints/best.safetensors")) {
                let best = Checkpoint::decode(&bytes[..], bytes.len() as u64, &run(), &SHAPES).unwrap();
                assert!([checkpoint(1), checkpoint(3)].contains(&best), "call {off_at}");
            }
            if best.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn the_last_two_steps_are_kept_and_leftovers_removed() {
    let folder = folder();
    let store = Store::new(folder.path(), System);
    for step in [10, 9] {
        store.save_snapshot(&checkpoint(step).state).unwrap();
    }
    fs::write(folder.path().join("checkpoints/.step-3.safetensors.part"), "half").unwrap();
    fs::write(folder.path().join("checkpoints/notes.txt"), "mine").unwrap();
    store.prepare().unwrap();
    store.save_best(&checkpoint(1)).unwrap();
    store.save(&checkpoint(10)).unwrap();
    let [steps, snapshots] = ["step", "snapshot"].map(|kind| move |step| format!("{kind}-{step}.safetensors"));
    let kept = [snapshots(10), snapshots(9), steps(10), steps(2)];
    assert_eq!(names(folder.path()), [&["best.safetensors", "notes.txt"].map(String::from)[..], &kept].concat());
    assert_eq!(store.snapshots().unwrap().into_iter().map(|(step, _)| step).collect::<Vec<_>>(), [9, 10]);
    assert_eq!(store.last_step().unwrap(), Some(10));
}

#[test]
fn a_whole_checkpoint_under_anothers_name_gives_way_to_the_one_before() {
    let folder = folder();
    let path = |step| folder.path().join(format!("checkpoints/step-{step}.safetensors"));
    fs::copy(path(1), path(2)).unwrap();
    let mut notices = Vec::new();
    let last = Store::new(folder.path(), System).last(&run(), &SHAPES, |notice| notices.push(notice.to_owned()));
    assert_eq!(last.unwrap().unwrap(), checkpoint(1));
    assert!(
        notices[0].contains("step-2.safetensors: it is of step 1, which is not the one in its name"),
        "{notices:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_checkpoint_is_not_waited_for() {
    let folder = folder();
    let path = folder.path().join("checkpoints/step-9.safetensors");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(Store::new(folder.path(), System).last(&run(), &SHAPES, |_| ()).unwrap().unwrap(), checkpoint(2));
}
