//! Skills and their versions. The column `line` is the line of the skill's index as it is; what
//! else stands beside it is there to be asked for.

use ba_agent_core::remote_registry::PublishedVersion;

use super::{Db, DbError, DbResult, DbRow, Sql, Tx, values};
use crate::clock::now_millis;
use crate::db::tokens::json_list;

/// What a version is waiting for, or is.
pub(crate) mod status {
    /// In the index.
    pub(crate) const LIVE: &str = "live";
    /// Waits for a scan.
    pub(crate) const SCAN: &str = "scan";
    /// Waits for an admin.
    pub(crate) const HELD: &str = "held";
    /// A scan or an admin said no.
    pub(crate) const REFUSED: &str = "refused";
    /// In the index, as removed.
    pub(crate) const REMOVED: &str = "removed";
}

/// A skill.
#[derive(Debug, Clone)]
pub(crate) struct StoredSkill {
    pub(crate) id: i64,
    pub(crate) created_at: i64,
    pub(crate) is_tombstoned: bool,
    /// The key of its newest version that may be taken.
    pub(crate) latest: Option<String>,
}

/// A version of a skill.
#[derive(Debug, Clone)]
pub(crate) struct VersionRow {
    pub(crate) digest: String,
    pub(crate) status: String,
    pub(crate) line: PublishedVersion,
    pub(crate) removed_reason: Option<String>,
}

/// A skill with its newest version, as the lists show it.
#[derive(Debug, Clone)]
pub(crate) struct ShelfRow {
    pub(crate) skill: i64,
    pub(crate) name: String,
    pub(crate) featured: i64,
    pub(crate) is_tombstoned: bool,
    pub(crate) latest: Option<PublishedVersion>,
}

/// A version that somebody has to look at.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct HeldVersion {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) status: String,
    pub(crate) by: String,
    pub(crate) published_at: String,
}

/// Reads a line as the database has it.
fn line_of(text: &str) -> DbResult<PublishedVersion> {
    serde_json::from_str(text).map_err(|e| DbError::Failed(format!("a stored version cannot be read: {e}")))
}

/// A line as the database stores it.
fn json_of(line: &PublishedVersion) -> String {
    line.to_line().trim_end().to_owned()
}

const FIND_SKILL: Sql = Sql {
    sqlite: "select s.id, s.created_at, s.tombstoned_at, s.meta->>'latest' from skills s
     join owners o on o.id = s.owner_id where o.name = $1 and s.name = $2",
    postgres: "select s.id, s.created_at, s.tombstoned_at, s.meta->>'latest' from skills s
     join owners o on o.id = s.owner_id where o.name = $1 and s.name = $2",
};

const LOCK_SKILL: Sql = Sql {
    sqlite: FIND_SKILL.sqlite,
    postgres: "select s.id, s.created_at, s.tombstoned_at, s.meta->>'latest' from skills s
     join owners o on o.id = s.owner_id where o.name = $1 and s.name = $2 for update of s",
};

const SHELF: Sql = Sql {
    sqlite: "select s.id, o.name, s.name, s.featured, s.tombstoned_at, v.line from skills s
     join owners o on o.id = s.owner_id
     left join versions v on v.skill_id = s.id and v.version = s.meta->>'latest' and v.status = 'live'
     order by o.name, s.name",
    postgres: "select s.id, o.name, s.name, s.featured, s.tombstoned_at, v.line::text from skills s
     join owners o on o.id = s.owner_id
     left join versions v on v.skill_id = s.id and v.version = s.meta->>'latest' and v.status = 'live'
     order by o.name, s.name",
};

const SHELF_ONE: Sql = Sql {
    sqlite: "select s.id, o.name, s.name, s.featured, s.tombstoned_at, v.line from skills s
     join owners o on o.id = s.owner_id
     left join versions v on v.skill_id = s.id and v.version = s.meta->>'latest' and v.status = 'live'
     where o.name = $1 and s.name = $2",
    postgres: "select s.id, o.name, s.name, s.featured, s.tombstoned_at, v.line::text from skills s
     join owners o on o.id = s.owner_id
     left join versions v on v.skill_id = s.id and v.version = s.meta->>'latest' and v.status = 'live'
     where o.name = $1 and s.name = $2",
};

const LINES: Sql = Sql {
    sqlite: "select line from versions where skill_id = $1 and status in ('live', 'removed')
     order by published_at, version",
    postgres: "select line::text from versions where skill_id = $1 and status in ('live', 'removed')
     order by published_at, version",
};

const VERSION: Sql = Sql {
    sqlite: "select digest, status, line, removed_reason from versions where skill_id = $1 and version = $2",
    postgres: "select digest, status, line::text, removed_reason from versions
     where skill_id = $1 and version = $2",
};

const INSERT_VERSION: Sql = Sql {
    sqlite: "insert into versions(skill_id, version, digest, tree, size, line, status, by, published_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    postgres: "insert into versions(skill_id, version, digest, tree, size, line, status, by, published_at)
     values ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9)",
};

const UPDATE_VERSION: Sql = Sql {
    sqlite: "update versions set line = $1, status = $2, yanked_at = $3, yank_reason = $4, removed_at = $5,
     removed_reason = $6, published_at = $9 where skill_id = $7 and version = $8",
    postgres: "update versions set line = $1::jsonb, status = $2, yanked_at = $3, yank_reason = $4,
     removed_at = $5, removed_reason = $6, published_at = $9 where skill_id = $7 and version = $8",
};

const UPDATE_SKILL: Sql = Sql {
    sqlite: "update skills set description = $1, category = $2, tags = $3,
     meta = json_set(meta, '$.latest', $4) where id = $5",
    postgres: "update skills set description = $1, category = $2,
     tags = array(select jsonb_array_elements_text($3::jsonb)),
     meta = jsonb_set(meta, '{latest}', coalesce(to_jsonb($4::text), 'null'::jsonb)) where id = $5",
};

const REMOVED: &str = "select digest, removed_reason from versions where status = 'removed'";

fn skill_of(row: &DbRow) -> DbResult<StoredSkill> {
    Ok(StoredSkill {
        id: row.int(0)?,
        created_at: row.int(1)?,
        is_tombstoned: row.maybe_int(2)?.is_some(),
        latest: row.maybe_text(3)?,
    })
}

fn shelf_of(row: &DbRow) -> DbResult<ShelfRow> {
    Ok(ShelfRow {
        skill: row.int(0)?,
        name: format!("@{}/{}", row.text(1)?, row.text(2)?),
        featured: row.int(3)?,
        is_tombstoned: row.maybe_int(4)?.is_some(),
        latest: row.maybe_text(5)?.map(|line| line_of(&line)).transpose()?,
    })
}

fn version_of(row: &DbRow) -> DbResult<VersionRow> {
    Ok(VersionRow {
        digest: row.text(0)?,
        status: row.text(1)?,
        line: line_of(&row.text(2)?)?,
        removed_reason: row.maybe_text(3)?,
    })
}

impl Db {
    /// The skill of that name.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_skill(&self, owner: &str, name: &str) -> DbResult<Option<StoredSkill>> {
        self.fetch_first(FIND_SKILL, values![owner, name]).await?.map(|row| skill_of(&row)).transpose()
    }

    /// All skills, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn load_shelf(&self) -> DbResult<Vec<ShelfRow>> {
        self.fetch_all(SHELF, Vec::new()).await?.iter().map(shelf_of).collect()
    }

    /// One skill for the shelf.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn shelf_row(&self, owner: &str, name: &str) -> DbResult<Option<ShelfRow>> {
        self.fetch_first(SHELF_ONE, values![owner, name]).await?.map(|row| shelf_of(&row)).transpose()
    }

    /// The lines of a skill's index, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn index_lines(&self, skill: i64) -> DbResult<Vec<PublishedVersion>> {
        let rows = self.fetch_all(LINES, values![skill]).await?;
        rows.iter().map(|row| line_of(&row.text(0)?)).collect()
    }

    /// A version of a skill, by its key.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_version(&self, skill: i64, key: &str) -> DbResult<Option<VersionRow>> {
        self.fetch_first(VERSION, values![skill, key]).await?.map(|row| version_of(&row)).transpose()
    }

    /// Digests of what was removed, with the reason.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn removed_digests(&self) -> DbResult<Vec<(String, String)>> {
        let rows = self.fetch_all(REMOVED, Vec::new()).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// Versions that wait for somebody or were refused.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn held_versions(&self) -> DbResult<Vec<HeldVersion>> {
        let sql = "select o.name, s.name, v.version, v.status, v.by, v.published_at from versions v
         join skills s on s.id = v.skill_id join owners o on o.id = s.owner_id
         where v.status in ('scan', 'held') order by v.published_at";
        let rows = self.fetch_all(sql, Vec::new()).await?;
        let held = |row: &DbRow| {
            Ok(HeldVersion {
                name: format!("@{}/{}", row.text(0)?, row.text(1)?),
                version: row.text(2)?,
                status: row.text(3)?,
                by: row.text(4)?,
                published_at: crate::clock::format_millis(row.int(5)?),
            })
        };
        rows.iter().map(held).collect()
    }

    /// The lines of what was removed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn removed_lines(&self) -> DbResult<Vec<PublishedVersion>> {
        let sql = Sql {
            sqlite: "select line from versions where status = 'removed'",
            postgres: "select line::text from versions where status = 'removed'",
        };
        let rows = self.fetch_all(sql, Vec::new()).await?;
        rows.iter().map(|row| line_of(&row.text(0)?)).collect()
    }
}

impl Tx {
    /// The skill of that name, locked until the transaction ends.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn lock_skill(&mut self, owner: &str, name: &str) -> DbResult<Option<StoredSkill>> {
        self.fetch_first(LOCK_SKILL, values![owner, name]).await?.map(|row| skill_of(&row)).transpose()
    }

    /// Makes a skill where there is none; it is locked then.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn claim_skill(
        &mut self,
        owner: i64,
        owner_name: &str,
        name: &str,
    ) -> DbResult<StoredSkill> {
        let sql = "insert into skills(owner_id, name, description, created_at) values ($1, $2, '', $3)
         on conflict do nothing";
        self.execute(sql, values![owner, name, now_millis()]).await?;
        let row = self.lock_skill(owner_name, name).await?;
        row.ok_or_else(|| DbError::Failed("a skill that was just made is gone".to_owned()))
    }

    /// A version of a skill, by its key.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_version(&mut self, skill: i64, key: &str) -> DbResult<Option<VersionRow>> {
        self.fetch_first(VERSION, values![skill, key]).await?.map(|row| version_of(&row)).transpose()
    }

    /// How many versions a skill has.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn count_versions(&mut self, skill: i64) -> DbResult<i64> {
        let sql = "select count(*) from versions where skill_id = $1";
        self.fetch_first(sql, values![skill]).await?.map_or(Ok(0), |row| row.int(0))
    }

    /// The keys of all versions of a skill.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn version_keys(&mut self, skill: i64) -> DbResult<Vec<String>> {
        let sql = "select version from versions where skill_id = $1 order by published_at, version";
        self.fetch_all(sql, values![skill]).await?.iter().map(|row| row.text(0)).collect()
    }

    /// The lines of a skill's index, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn index_lines(&mut self, skill: i64) -> DbResult<Vec<PublishedVersion>> {
        let rows = self.fetch_all(LINES, values![skill]).await?;
        rows.iter().map(|row| line_of(&row.text(0)?)).collect()
    }

    /// Stores a version.
    ///
    /// # Errors
    /// `Exists` when that version is there.
    pub(crate) async fn insert_version(
        &mut self,
        skill: i64,
        key: &str,
        line: &PublishedVersion,
        status: &str,
    ) -> DbResult<()> {
        let (digest, tree) = (line.digest.to_string(), line.tree.to_string());
        let size = i64::try_from(line.size).unwrap_or(i64::MAX);
        let (by, at) = (line.by.clone().unwrap_or_default(), line.published_at.as_millisecond());
        let values = values![skill, key, digest, tree, size, json_of(line), status, by, at];
        self.execute(INSERT_VERSION, values).await.map(|_| ())
    }

    /// Stores what a version became: its line, and what it waits for.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn update_version(
        &mut self,
        skill: i64,
        key: &str,
        line: &PublishedVersion,
        status: &str,
    ) -> DbResult<()> {
        let yanked_at = line.yanked.then(now_millis);
        let removed_at = line.removed.as_ref().map(|removal| removal.at.as_millisecond());
        let removed_reason = line.removed.as_ref().map(|removal| removal.reason.clone());
        let values = values![
            json_of(line),
            status,
            yanked_at,
            line.yank_reason.clone(),
            removed_at,
            removed_reason,
            skill,
            key,
            line.published_at.as_millisecond()
        ];
        self.execute(UPDATE_VERSION, values).await.map(|_| ())
    }

    /// Shows a skill by this version of it from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn show_version(
        &mut self,
        skill: i64,
        latest: Option<(&str, &PublishedVersion)>,
    ) -> DbResult<()> {
        let line = latest.map(|(_, line)| line);
        let description = line.map(|line| line.description.clone()).unwrap_or_default();
        let category = line.and_then(|line| line.category.clone()).unwrap_or_default();
        let tags = json_list(line.map(|line| line.tags.as_slice()).unwrap_or_default());
        let key = latest.map(|(key, _)| key.to_owned());
        self.execute(UPDATE_SKILL, values![description, category, tags, key, skill]).await.map(|_| ())
    }

    /// Makes a skill a tombstone: its name is never free again.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn bury_skill(&mut self, skill: i64) -> DbResult<()> {
        let sql = "update skills set tombstoned_at = $1 where id = $2";
        self.execute(sql, values![now_millis(), skill]).await.map(|_| ())
    }

    /// Features a skill at a place, 0 for no more.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn feature_skill(&mut self, skill: i64, place: i64) -> DbResult<()> {
        self.execute("update skills set featured = $1 where id = $2", values![place, skill]).await.map(|_| ())
    }
}
