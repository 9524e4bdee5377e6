//! The files of the repository.

use std::{fs, path::Path};

/// Folders that are built or fetched, at any depth.
const IGNORED_FOLDERS: &[&str] = &[".git", "target", "node_modules", ".phasewright-cache"];

/// Files that a running host leaves behind.
const IGNORED_ENDS: &[&str] = &[".db", ".db-shm", ".db-wal"];

/// One file.
pub struct File {
    /// From the root, with slashes.
    pub path: String,
    bytes: Vec<u8>,
}

/// All files.
pub struct Tree {
    files: Vec<File>,
}

impl File {
    /// Its content; none when it is not text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Its lines, numbered from 1, when it is text.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text().unwrap_or_default().lines();
        lines.enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Is it Rust?
    pub fn is_rust(&self) -> bool {
        self.has_end(".rs")
    }

    /// Does its name end so?
    pub fn has_end(&self, end: &str) -> bool {
        self.path.ends_with(end)
    }
}

impl Tree {
    /// Everything that is, or would be, in git.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut tree = Self { files: Vec::new() };
        tree.walk(&root, "");
        tree.files.sort_by(|left, right| left.path.cmp(&right.path));
        tree
    }

    /// All files, by path.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The file there.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The names of the files right in this folder, which ends with a slash.
    pub fn names_in<'a>(&'a self, folder: &str) -> Vec<&'a str> {
        let below = self
            .files
            .iter()
            .filter_map(|file| file.path.strip_prefix(folder));
        below.filter(|name| !name.contains('/')).collect()
    }

    /// Pretends that there is this file.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        self.files.push(File {
            path: path.to_owned(),
            bytes: bytes.to_owned(),
        });
    }

    /// Pretends that there is no such file.
    pub fn remove(&mut self, path: &str) {
        self.files.retain(|file| file.path != path);
    }

    fn walk(&mut self, folder: &Path, place: &str) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("read {place}: {error}")) {
            let entry = entry.expect("the folder can be listed");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{place}{name}");
            let kind = entry.file_type().expect("the entry has a type");
            if kind.is_dir() && !IGNORED_FOLDERS.contains(&name.as_str()) {
                self.walk(&entry.path(), &format!("{path}/"));
            // In a worktree, .git is a file.
            } else if kind.is_file()
                && name != ".git"
                && !IGNORED_ENDS.iter().any(|end| name.ends_with(end))
            {
                let bytes =
                    fs::read(entry.path()).unwrap_or_else(|error| panic!("read {path}: {error}"));
                self.files.push(File { path, bytes });
            }
        }
    }
}
