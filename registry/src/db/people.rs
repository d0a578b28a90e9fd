//! What people keep here: whom they follow, what they report, where they want to be told, which
//! builds may publish for them; and how often what was fetched.

use serde::Serialize;
use serde_json::Value;

use super::{Db, DbResult, DbRow, Sql, Tx, values};
use crate::clock::{format_day, format_millis, now_millis};
use crate::db::tokens::json_list;

/// A skill that somebody follows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FollowRow {
    pub(crate) name: String,
    pub(crate) notify: bool,
    pub(crate) since: String,
}

/// A complaint.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReportRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) reporter: String,
    pub(crate) reason: String,
    pub(crate) status: String,
}

/// An address that is told of events.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WebhookRow {
    pub(crate) id: i64,
    pub(crate) url: String,
    #[serde(skip)]
    pub(crate) secret: String,
    pub(crate) kinds: Vec<String>,
}

/// A build that may publish without a token of anybody's.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PublisherRow {
    pub(crate) issuer: String,
    pub(crate) claims: Value,
}

/// How often a version was fetched on a day.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DownloadRow {
    pub(crate) day: String,
    pub(crate) version: String,
    pub(crate) downloads: i64,
}

const WEBHOOKS: Sql = Sql {
    sqlite: "select id, url, secret, kinds from webhooks where user_id = $1 order by id",
    postgres: "select id, url, secret, to_json(kinds)::text from webhooks where user_id = $1 order by id",
};

/// Hooks for an event about a skill: of who follows it and wants to be told, and of members of its owner.
const WEBHOOKS_OF: Sql = Sql {
    sqlite: "select w.id, w.url, w.secret, w.kinds from webhooks w where w.user_id in (select f.user_id
     from follows f where f.skill_id = $1 and f.notify = 1 and f.since <= $2 union select m.user_id from members m
     join skills s on s.owner_id = m.owner_id where s.id = $1)",
    postgres: "select w.id, w.url, w.secret, to_json(w.kinds)::text from webhooks w where w.user_id in
     (select f.user_id from follows f where f.skill_id = $1 and f.notify = 1 and f.since <= $2 union select m.user_id
     from members m join skills s on s.owner_id = m.owner_id where s.id = $1)",
};

const INSERT_WEBHOOK: Sql = Sql {
    sqlite: "insert into webhooks(user_id, url, secret, kinds) values ($1, $2, $3, $4) returning id",
    postgres: "insert into webhooks(user_id, url, secret, kinds) values ($1, $2, $3,
     array(select jsonb_array_elements_text($4::jsonb))) returning id",
};

fn webhook_of(row: &DbRow) -> DbResult<WebhookRow> {
    Ok(WebhookRow { id: row.int(0)?, url: row.text(1)?, secret: row.text(2)?, kinds: row.texts(3)? })
}

impl Db {
    /// What a user follows.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_follows(&self, user: i64) -> DbResult<Vec<FollowRow>> {
        let sql = "select o.name, s.name, f.notify, f.since from follows f join skills s on s.id = f.skill_id
         join owners o on o.id = s.owner_id where f.user_id = $1 order by o.name, s.name";
        let rows = self.fetch_all(sql, values![user]).await?;
        let follow = |row: &DbRow| {
            Ok(FollowRow {
                name: format!("@{}/{}", row.text(0)?, row.text(1)?),
                notify: row.int(2)? != 0,
                since: format_millis(row.int(3)?),
            })
        };
        rows.iter().map(follow).collect()
    }

    /// Follows a skill; following it already changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn follow_skill(&self, user: i64, skill: i64) -> DbResult<()> {
        let sql = "insert into follows(user_id, skill_id, notify, since) values ($1, $2, 1, $3)
         on conflict do nothing";
        self.execute(sql, values![user, skill, now_millis()]).await.map(|_| ())
    }

    /// Follows a skill no more.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn unfollow_skill(&self, user: i64, skill: i64) -> DbResult<()> {
        let sql = "delete from follows where user_id = $1 and skill_id = $2";
        self.execute(sql, values![user, skill]).await.map(|_| ())
    }

    /// Whether a follower wants to be told; says whether the skill is followed.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn set_notify(&self, user: i64, skill: i64, notify: bool) -> DbResult<bool> {
        let sql = "update follows set notify = $1 where user_id = $2 and skill_id = $3";
        Ok(self.execute(sql, values![i64::from(notify), user, skill]).await? > 0)
    }

    /// Complaints that nobody has settled.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_reports(&self) -> DbResult<Vec<ReportRow>> {
        let sql = "select r.id, o.name, s.name, r.version, r.reporter, r.reason, r.status from reports r
         join skills s on s.id = r.skill_id join owners o on o.id = s.owner_id
         where r.status = 'open' order by r.id";
        let rows = self.fetch_all(sql, Vec::new()).await?;
        let report = |row: &DbRow| {
            Ok(ReportRow {
                id: row.int(0)?,
                name: format!("@{}/{}", row.text(1)?, row.text(2)?),
                version: row.maybe_text(3)?,
                reporter: row.text(4)?,
                reason: row.text(5)?,
                status: row.text(6)?,
            })
        };
        rows.iter().map(report).collect()
    }

    /// The webhooks of a user.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_webhooks(&self, user: i64) -> DbResult<Vec<WebhookRow>> {
        self.fetch_all(WEBHOOKS, values![user]).await?.iter().map(webhook_of).collect()
    }

    /// The webhook of that number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_webhook(&self, id: i64) -> DbResult<Option<WebhookRow>> {
        let sql = Sql {
            sqlite: "select id, url, secret, kinds from webhooks where id = $1",
            postgres: "select id, url, secret, to_json(kinds)::text from webhooks where id = $1",
        };
        self.fetch_first(sql, values![id]).await?.map(|row| webhook_of(&row)).transpose()
    }

    /// Stores a webhook; its number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add_webhook(
        &self,
        user: i64,
        url: &str,
        secret: &str,
        kinds: &[String],
    ) -> DbResult<i64> {
        let mut tx = self.begin().await?;
        let row = tx.fetch_first(INSERT_WEBHOOK, values![user, url, secret, json_list(kinds)]).await?;
        tx.commit().await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Removes a webhook of a user; says whether it was there.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn remove_webhook(&self, user: i64, id: i64) -> DbResult<bool> {
        let sql = "delete from webhooks where id = $1 and user_id = $2";
        Ok(self.execute(sql, values![id, user]).await? > 0)
    }

    /// The builds that may publish a skill.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_publishers(&self, skill: i64) -> DbResult<Vec<PublisherRow>> {
        let sql = Sql {
            sqlite: "select issuer, claims from publishers where skill_id = $1 order by issuer, claims",
            postgres: "select issuer, claims::text from publishers where skill_id = $1 order by 1, 2",
        };
        let rows = self.fetch_all(sql, values![skill]).await?;
        let publisher = |row: &DbRow| {
            let claims = serde_json::from_str(&row.text(1)?).unwrap_or_default();
            Ok(PublisherRow { issuer: row.text(0)?, claims })
        };
        rows.iter().map(publisher).collect()
    }

    /// All builds of an issuer that may publish something, with the name of what.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn publishers_of_issuer(&self, issuer: &str) -> DbResult<Vec<(String, Value)>> {
        let sql = Sql {
            sqlite: "select o.name, s.name, p.claims from publishers p join skills s on s.id = p.skill_id
             join owners o on o.id = s.owner_id where p.issuer = $1",
            postgres:
                "select o.name, s.name, p.claims::text from publishers p join skills s on s.id = p.skill_id
             join owners o on o.id = s.owner_id where p.issuer = $1",
        };
        let rows = self.fetch_all(sql, values![issuer]).await?;
        let publisher = |row: &DbRow| {
            let name = format!("@{}/{}", row.text(0)?, row.text(1)?);
            Ok((name, serde_json::from_str(&row.text(2)?).unwrap_or_default()))
        };
        rows.iter().map(publisher).collect()
    }

    /// Adds what was counted since the last time.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add_downloads(&self, counts: &[(i64, String, i64, i64)]) -> DbResult<()> {
        if counts.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for (skill, version, day, n) in counts {
            let sql = "insert into downloads(skill_id, version, day, n) values ($1, $2, $3, $4)
             on conflict(skill_id, version, day) do update set n = downloads.n + excluded.n";
            tx.execute(sql, values![*skill, version.as_str(), *day, *n]).await?;
        }
        tx.commit().await
    }

    /// How often a skill was fetched, by day and version.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_downloads(&self, skill: i64) -> DbResult<Vec<DownloadRow>> {
        let sql = "select day, version, n from downloads where skill_id = $1 order by day, version";
        let rows = self.fetch_all(sql, values![skill]).await?;
        let download = |row: &DbRow| {
            Ok(DownloadRow { day: format_day(row.int(0)?), version: row.text(1)?, downloads: row.int(2)? })
        };
        rows.iter().map(download).collect()
    }

    /// How often each skill was fetched since a day.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn downloads_since(&self, day: i64) -> DbResult<Vec<(i64, i64)>> {
        let sql = "select skill_id, cast(sum(n) as bigint) from downloads where day >= $1 group by skill_id";
        let rows = self.fetch_all(sql, values![day]).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
    }

    /// The webhooks that what happened to a skill at a moment is for.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn webhooks_for(&self, skill: i64, at: i64) -> DbResult<Vec<WebhookRow>> {
        self.fetch_all(WEBHOOKS_OF, values![skill, at]).await?.iter().map(webhook_of).collect()
    }
}

impl Tx {
    /// Stores a complaint; its number.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn add_report(
        &mut self,
        skill: i64,
        version: Option<String>,
        reporter: &str,
        reason: &str,
    ) -> DbResult<i64> {
        let sql = "insert into reports(skill_id, version, reporter, reason, status)
         values ($1, $2, $3, $4, 'open') returning id";
        let row = self.fetch_first(sql, values![skill, version, reporter, reason]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Settles all complaints about a skill with a note.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn settle_reports(&mut self, skill: i64, note: &str) -> DbResult<()> {
        let sql = "update reports set status = 'settled', note = $1 where skill_id = $2 and status = 'open'";
        self.execute(sql, values![note, skill]).await.map(|_| ())
    }

    /// The builds that may publish a skill are these from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn set_publishers(&mut self, skill: i64, publishers: &[PublisherRow]) -> DbResult<()> {
        self.execute("delete from publishers where skill_id = $1", values![skill]).await?;
        for one in publishers {
            let sql = Sql {
                sqlite: "insert into publishers(skill_id, issuer, claims) values ($1, $2, $3)",
                postgres: "insert into publishers(skill_id, issuer, claims) values ($1, $2, $3::jsonb)",
            };
            self.execute(sql, values![skill, one.issuer.as_str(), one.claims.to_string()]).await?;
        }
        Ok(())
    }
}
