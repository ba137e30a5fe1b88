//! The index: an SQLite database that is held in memory and kept in one file, from which it is read whole.
//!
//! It is a cache of what nobody has verified. Whoever can write it can hide bundles, as whoever can delete bundles can; what
//! it points to is read again from the store, compared with its digest and with the question, and only then used.
//!
//! The file is the database's image and behind it the image's BLAKE3, so that damage is noticed before SQLite sees it, at any
//! place. It is replaced whole by a rename: readers and writers of several processes need no locks, and none leaves a
//! journal that another has to recover.

use super::{files::Stamp, glance::Seen};
use modelseal_core::{artifact::ArtifactId, limits::MAX_INDEX_BYTES};
use rusqlite::{Connection, MAIN_DB, Row, config::DbConfig, limits::Limit, params};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

/// `msix`: what SQLite calls the application of a database file.
const APPLICATION: i32 = 0x6d73_6978;
/// Another layout is another version: the index is built again.
const VERSION: i32 = 1;
/// Stands between the image and its checksum.
const MARK: &[u8; 8] = b"msindex1";
const TRAILER: usize = MARK.len() + blake3::OUT_LEN;
/// Most types of predicates and builds that have rows; others are not counted by type.
const MAX_TYPES: usize = 10_000;
/// A type's URI of more bytes is nobody's.
const MAX_TYPE_BYTES: usize = 1024;

/// Every definition in the database. A bundle under the name of its content has a document without `name`: such files do
/// not change. `links` leads from the key of an artifact or URI to the statements that name it.
const SCHEMA: [&str; 9] = [
    "CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE folders(id INTEGER PRIMARY KEY, path TEXT NOT NULL, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, problem TEXT)",
    "CREATE TABLE documents(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, sha256 BLOB, name TEXT, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, kind INTEGER, problem TEXT)",
    "CREATE INDEX documents_by_folder ON documents(folder)",
    "CREATE INDEX named_documents ON documents(folder) WHERE name IS NOT NULL",
    "CREATE INDEX problems ON documents(kind) WHERE kind IS NOT NULL",
    "CREATE TABLE statements(document INTEGER NOT NULL, line INTEGER NOT NULL, predicate INTEGER, build INTEGER, PRIMARY KEY(document, line)) WITHOUT ROWID",
    "CREATE TABLE types(id INTEGER PRIMARY KEY, uri TEXT NOT NULL)",
    "CREATE TABLE links(key INTEGER NOT NULL, document INTEGER NOT NULL, line INTEGER NOT NULL, PRIMARY KEY(key, document, line)) WITHOUT ROWID",
];

/// The index of one store.
#[derive(Debug)]
pub(super) struct Index {
    database: Connection,
}

/// By what a statement is found: 48 bits of a hash, which SQLite keeps in six bytes. Two things may share one: what is found
/// is compared with the question again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(i64);

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) folder: String,
    /// `None` where the name is that of the content.
    pub(super) name: Option<String>,
    /// Of the whole file.
    pub(super) sha256: [u8; 32],
    /// From 1 in a file of several lines; else 0.
    pub(super) line: u32,
}

/// A folder, as it was when it was listed.
#[derive(Debug, Clone)]
pub(super) struct FolderRow {
    pub(super) id: i64,
    pub(super) path: String,
    /// `None` when it has to be listed again.
    pub(super) stamp: Option<Stamp>,
    pub(super) problem: Option<String>,
}

/// A file, as it was when it was read.
#[derive(Debug, Clone)]
pub(super) struct DocumentRow {
    pub(super) id: i64,
    pub(super) folder: i64,
    pub(super) sha256: Option<[u8; 32]>,
    /// `None` where the name is that of the content.
    pub(super) name: Option<String>,
    pub(super) stamp: Stamp,
    pub(super) problem: Option<(i64, String)>,
}

/// A statement's row, and the keys it is found by.
#[derive(Debug)]
pub(super) struct StatementRow {
    pub(super) line: u32,
    pub(super) seen: Seen,
}

/// Why an index cannot be used. It can always be built again.
#[derive(Debug)]
pub(super) enum IndexError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file is something else than an index.
    Foreign,
    /// The file is an index that is damaged, or of another version.
    Damaged(&'static str),
    /// SQLite failed.
    Database(rusqlite::Error),
}

/// Whether the file is an index, whole or damaged, that may be replaced by another: a database of this application.
pub(super) fn looks_like_index(path: &Path) -> bool {
    // The file format's header: a magic string, and at byte 68 the application's number.
    let mut header = [0; 72];
    let read = crate::disk::open(path).and_then(|mut file| {
        if file.metadata()?.is_file() {
            file.read_exact(&mut header)
        } else {
            Err(io::ErrorKind::Other.into())
        }
    });
    read.is_ok() && header.starts_with(b"SQLite format 3\0") && header[68..] == APPLICATION.to_be_bytes()
}

impl Key {
    /// Of statements that have a subject with this id.
    pub(super) fn subject(id: &ArtifactId) -> Self {
        Self::of(b"subject", id.to_string().as_bytes())
    }

    /// Of statements that have a dependency with this id.
    pub(super) fn dependency(id: &ArtifactId) -> Self {
        Self::of(b"dependency", id.to_string().as_bytes())
    }

    /// Of statements in which a subject or dependency has this URI.
    pub(super) fn uri(uri: &str) -> Self {
        Self::of(b"uri", uri.as_bytes())
    }

    /// Of the bundle with this digest.
    pub(super) fn content(sha256: &[u8; 32]) -> Self {
        Self::of(b"content", sha256)
    }

    fn of(role: &[u8], text: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(role).chain_update(b"\0").chain_update(text).finalize();
        let mut key = [0; 8];
        key[2..].copy_from_slice(&digest[..6]);
        Self(i64::from_be_bytes(key))
    }

    /// Any key.
    #[cfg(test)]
    pub(super) fn number(number: i64) -> Self {
        Self(number)
    }
}

impl Index {
    /// An index of nothing.
    pub(super) fn empty() -> Result<Self, IndexError> {
        let database = Connection::open_in_memory()?;
        guard(&database)?;
        database.execute_batch(&format!(
            "PRAGMA page_size=8192; PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION};"
        ))?;
        for definition in SCHEMA {
            database.execute_batch(definition)?;
        }
        // Whatever fails, the index is given up as a whole.
        database
            .execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;")?;
        Ok(Self { database })
    }

    /// Reads the index at `path`, if it is whole and of this version.
    pub(super) fn load(path: &Path) -> Result<Self, IndexError> {
        let file = crate::disk::open(path).map_err(IndexError::Io)?;
        let metadata = file.metadata().map_err(IndexError::Io)?;
        if !metadata.is_file() {
            return Err(IndexError::Foreign);
        }
        let image = metadata.len().saturating_sub(TRAILER as u64);
        let size = usize::try_from(image).ok().filter(|size| *size > 0 && image <= MAX_INDEX_BYTES);
        let size = size.ok_or(IndexError::Damaged("it has no size of an index"))?;
        let mut hashed = Hashed { file: &file, hash: blake3::Hasher::new() };
        let mut database = Connection::open_in_memory()?;
        database.deserialize_read_exact(MAIN_DB, &mut hashed, size, false)?;
        let mut trailer = [0; TRAILER];
        (&file).read_exact(&mut trailer).map_err(IndexError::Io)?;
        let (mark, checksum) = trailer.split_at(MARK.len());
        if mark != MARK || *hashed.hash.finalize().as_bytes() != *checksum {
            return Err(IndexError::Damaged("its checksum differs"));
        }
        guard(&database)?;
        let number = |pragma: &str| database.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        if number("application_id")? != i64::from(APPLICATION)
            || number("user_version")? != i64::from(VERSION)
        {
            return Err(IndexError::Damaged("it is of another version"));
        }
        if !has_our_schema(&database)? {
            return Err(IndexError::Damaged("it has other tables"));
        }
        database
            .execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY;")?;
        Ok(Self { database })
    }

    /// Replaces the file at `path`: the old index or the new one, never half of one.
    pub(super) fn save(&mut self, path: &Path) -> io::Result<()> {
        let image = self.database.serialize(MAIN_DB).map_err(io::Error::other)?;
        let mut file = crate::disk::temporary_file(&crate::disk::parent(path))?;
        file.write_all(&image)?;
        file.write_all(MARK)?;
        file.write_all(blake3::hash(&image).as_bytes())?;
        // Not made durable: an index that a crash has damaged is built again.
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Where the statements and files are that have this key, in order; at most `limit` of them.
    pub(super) fn find(&self, key: Key, limit: usize) -> Result<Vec<Place>, IndexError> {
        let mut query = self.database.prepare(
            "SELECT f.path, d.name, d.sha256, l.line FROM links l JOIN documents d ON d.id = l.document \
             JOIN folders f ON f.id = d.folder WHERE l.key = ?1 LIMIT ?2",
        )?;
        let place = |row: &Row<'_>| {
            Ok(Place { folder: row.get(0)?, name: row.get(1)?, sha256: row.get(2)?, line: row.get(3)? })
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = query.query_map(params![key.0, limit], place)?;
        let mut places = found.collect::<Result<Vec<_>, _>>()?;
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    pub(super) fn folders(&self, limit: usize) -> Result<Vec<FolderRow>, IndexError> {
        let mut query = self
            .database
            .prepare("SELECT id, path, size, modified, changed, inode, problem FROM folders LIMIT ?1")?;
        let rows = query.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            let size: Option<i64> = row.get(2)?;
            let stamp = match size {
                Some(size) => {
                    Some(Stamp { size, modified: row.get(3)?, changed: row.get(4)?, inode: row.get(5)? })
                }
                None => None,
            };
            Ok(FolderRow { id: row.get(0)?, path: row.get(1)?, stamp, problem: row.get(6)? })
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    /// The documents that have a name of their own, of all folders.
    pub(super) fn named_documents(&self, limit: usize) -> Result<Vec<DocumentRow>, IndexError> {
        self.documents("WHERE name IS NOT NULL LIMIT ?1", i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// All documents of one folder.
    pub(super) fn documents_of(&self, folder: i64) -> Result<Vec<DocumentRow>, IndexError> {
        self.documents("WHERE folder = ?1", folder)
    }

    /// The documents with problems.
    pub(super) fn problems(&self, limit: usize) -> Result<Vec<DocumentRow>, IndexError> {
        self.documents("WHERE kind IS NOT NULL LIMIT ?1", i64::try_from(limit).unwrap_or(i64::MAX))
    }

    fn documents(&self, condition: &str, argument: i64) -> Result<Vec<DocumentRow>, IndexError> {
        let mut query = self.database.prepare(&format!(
            "SELECT id, folder, sha256, name, size, modified, changed, inode, kind, problem FROM documents {condition}"
        ))?;
        let number = |row: &Row<'_>, at: usize| row.get::<_, Option<i64>>(at).map(Option::unwrap_or_default);
        let rows = query.query_map([argument], |row| {
            let kind: Option<i64> = row.get(8)?;
            let text: Option<String> = row.get(9)?;
            Ok(DocumentRow {
                id: row.get(0)?,
                folder: row.get(1)?,
                sha256: row.get(2)?,
                name: row.get(3)?,
                stamp: Stamp {
                    size: number(row, 4)?,
                    modified: number(row, 5)?,
                    changed: number(row, 6)?,
                    inode: number(row, 7)?,
                },
                problem: kind.map(|kind| (kind, text.unwrap_or_default())),
            })
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    /// How many documents there are, and how many statements.
    pub(super) fn counts(&self) -> Result<(u64, u64), IndexError> {
        let count = |table| {
            self.database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        };
        Ok((count("documents")?.cast_unsigned(), count("statements")?.cast_unsigned()))
    }

    /// How many links there are, those that lead nowhere included.
    #[cfg(test)]
    pub(super) fn links(&self) -> Result<i64, IndexError> {
        Ok(self.database.query_row("SELECT count(*) FROM links", [], |row| row.get(0))?)
    }

    /// How many statements there are of each predicate type.
    pub(super) fn by_predicate_type(&self) -> Result<Vec<(String, u64)>, IndexError> {
        let mut query = self.database.prepare(
            "SELECT t.uri, count(*) FROM statements s JOIN types t ON t.id = s.predicate GROUP BY t.uri ORDER BY t.uri",
        )?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    /// Makes changes that hold together, or not at all: an index that failed halfway must be thrown away.
    pub(super) fn change<T, E: From<IndexError>>(
        &mut self,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |e: rusqlite::Error| E::from(IndexError::from(e));
        let transaction = self.database.transaction().map_err(failed)?;
        let mut writer = Writer::new(&transaction).map_err(failed)?;
        let done = work(&mut writer)?;
        writer.finish().map_err(failed)?;
        drop(writer);
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

/// Makes changes. Links are collected and put in by order of their keys, which is several times faster.
pub(super) struct Writer<'a> {
    add_folder: rusqlite::Statement<'a>,
    set_folder: rusqlite::Statement<'a>,
    add_document: rusqlite::Statement<'a>,
    add_statement: rusqlite::Statement<'a>,
    add_type: rusqlite::Statement<'a>,
    add_link: rusqlite::Statement<'a>,
    remove_folder: rusqlite::Statement<'a>,
    remove_document: rusqlite::Statement<'a>,
    remove_statements: rusqlite::Statement<'a>,
    database: &'a Connection,
    types: HashMap<String, i64>,
    links: Vec<(Key, i64, u32)>,
    /// Statements that were removed, whose links are still there.
    removed: usize,
}

/// Links that are held before they are put in: 32 MB.
const HELD_LINKS: usize = 1 << 20;

/// Removed statements whose links are not worth looking for.
const FEW_REMOVED: i64 = 1000;

impl<'a> Writer<'a> {
    fn new(database: &'a Connection) -> Result<Self, rusqlite::Error> {
        let mut query = database.prepare("SELECT uri, id FROM types LIMIT ?1")?;
        let types = query.query_map([MAX_TYPES as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let types = types.collect::<Result<HashMap<_, _>, _>>()?;
        let prepare = |sql| database.prepare(sql);
        Ok(Self {
            add_folder: prepare("INSERT INTO folders(path) VALUES (?1)")?,
            set_folder: prepare(
                "UPDATE folders SET size = ?2, modified = ?3, changed = ?4, inode = ?5, problem = ?6 WHERE id = ?1",
            )?,
            add_document: prepare(
                "INSERT INTO documents(folder, sha256, name, size, modified, changed, inode, kind, problem) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            add_statement: prepare("INSERT INTO statements VALUES (?1, ?2, ?3, ?4)")?,
            add_type: prepare("INSERT INTO types(uri) VALUES (?1)")?,
            add_link: prepare("INSERT OR IGNORE INTO links VALUES (?1, ?2, ?3)")?,
            remove_folder: prepare("DELETE FROM folders WHERE id = ?1")?,
            remove_document: prepare("DELETE FROM documents WHERE id = ?1")?,
            remove_statements: prepare("DELETE FROM statements WHERE document = ?1")?,
            database,
            types,
            links: Vec::new(),
            removed: 0,
        })
    }

    pub(super) fn add_folder(&mut self, path: &str) -> Result<i64, IndexError> {
        Ok(self.add_folder.insert([path])?)
    }

    pub(super) fn set_folder(
        &mut self,
        id: i64,
        stamp: Option<Stamp>,
        problem: Option<&str>,
    ) -> Result<(), IndexError> {
        let stamp = stamp
            .map(|s| (s.size, s.modified, s.changed, s.inode))
            .map_or([None; 4], |(a, b, c, d)| [Some(a), Some(b), Some(c), Some(d)]);
        self.set_folder.execute(params![id, stamp[0], stamp[1], stamp[2], stamp[3], problem])?;
        Ok(())
    }

    /// Adds a document. Its `id` is chosen here.
    pub(super) fn add_document(
        &mut self,
        row: &DocumentRow,
        statements: &[StatementRow],
    ) -> Result<(), IndexError> {
        let named = row.name.is_some();
        let stamp = |number: i64| named.then_some(number);
        let (kind, problem) = row.problem.as_ref().map(|(kind, text)| (*kind, text.as_str())).unzip();
        let Stamp { size, modified, changed, inode } = row.stamp;
        let document = self.add_document.insert(params![
            row.folder,
            row.sha256,
            row.name,
            stamp(size),
            stamp(modified),
            stamp(changed),
            stamp(inode),
            kind,
            problem
        ])?;
        for statement in statements {
            let predicate = self.type_id(statement.seen.predicate_type.as_deref())?;
            let build = self.type_id(statement.seen.build_type.as_deref())?;
            self.add_statement.execute(params![document, statement.line, predicate, build])?;
            self.links.extend(statement.seen.links.iter().map(|key| (*key, document, statement.line)));
        }
        if self.links.len() >= HELD_LINKS {
            self.put_links()?;
        }
        Ok(())
    }

    /// Removes a document. Links to it stay and lead nowhere; who follows one to a document that has its number later finds
    /// out that it has other claims.
    pub(super) fn remove_document(&mut self, id: i64) -> Result<(), IndexError> {
        self.remove_document.execute([id])?;
        self.removed += self.remove_statements.execute([id])?;
        Ok(())
    }

    pub(super) fn remove_folder(&mut self, id: i64) -> Result<(), IndexError> {
        self.remove_folder.execute([id])?;
        Ok(())
    }

    fn type_id(&mut self, uri: Option<&str>) -> Result<Option<i64>, rusqlite::Error> {
        let Some(uri) = uri.filter(|uri| uri.len() <= MAX_TYPE_BYTES) else { return Ok(None) };
        if let Some(id) = self.types.get(uri) {
            return Ok(Some(*id));
        }
        if self.types.len() >= MAX_TYPES {
            return Ok(None);
        }
        let id = self.add_type.insert([uri])?;
        self.types.insert(uri.to_owned(), id);
        Ok(Some(id))
    }

    fn put_links(&mut self) -> Result<(), rusqlite::Error> {
        self.links.sort_unstable();
        for (key, document, line) in self.links.drain(..) {
            self.add_link.execute(params![key.0, document, line])?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), rusqlite::Error> {
        self.put_links()?;
        if self.removed > 0 {
            self.sweep()?;
        }
        Ok(())
    }

    /// Removes links that lead nowhere, when there are many.
    fn sweep(&self) -> Result<(), rusqlite::Error> {
        let removed = i64::try_from(self.removed).unwrap_or(i64::MAX);
        let dead: i64 = self.database.query_row(
            "INSERT INTO counters VALUES ('removed', ?1) \
             ON CONFLICT(name) DO UPDATE SET value = value + excluded.value RETURNING value",
            [removed],
            |row| row.get(0),
        )?;
        let alive: i64 = self.database.query_row("SELECT count(*) FROM statements", [], |row| row.get(0))?;
        if dead > FEW_REMOVED.max(alive / 4) {
            self.database
                .execute("DELETE FROM links WHERE document NOT IN (SELECT id FROM documents)", [])?;
            self.database.execute("DELETE FROM counters", [])?;
        }
        Ok(())
    }
}

/// What SQLite's authors advise for databases that somebody else may have written (sqlite.org/security.html).
fn guard(database: &Connection) -> Result<(), rusqlite::Error> {
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 14),
        (Limit::SQLITE_LIMIT_COLUMN, 32),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 32),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    ] {
        database.set_limit(limit, value)?;
    }
    database.execute_batch("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;")
}

/// Whether the definitions are ours, all of them, and no other.
fn has_our_schema(database: &Connection) -> Result<bool, rusqlite::Error> {
    let mut query = database.prepare("SELECT sql FROM sqlite_schema LIMIT 64")?;
    let found = query.query_map([], |row| row.get::<_, Option<String>>(0))?;
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    let mut ours = SCHEMA.map(|definition| Some(definition.to_owned())).to_vec();
    found.sort_unstable();
    ours.sort_unstable();
    Ok(found == ours)
}

/// Hashes what is read through it, in pieces that stay in the processor's cache.
struct Hashed<'a> {
    file: &'a File,
    hash: blake3::Hasher,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = buffer.len().min(256 * 1024);
        let read = self.file.read(&mut buffer[..piece])?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "{e}"),
            Self::Foreign => f.write_str("it is no regular file"),
            Self::Damaged(why) => f.write_str(why),
            Self::Database(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for IndexError {}

impl From<rusqlite::Error> for IndexError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Database(e)
    }
}
