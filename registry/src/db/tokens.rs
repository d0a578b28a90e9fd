//! Tokens and sessions. What is stored of either is its sha256.

use super::{Db, DbResult, Sql, Tx, values};
use crate::clock::now_millis;

/// A token, with the person it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) login: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) expires_at: i64,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) is_revoked: bool,
    pub(crate) ban_reason: Option<String>,
    pub(crate) is_banned: bool,
    pub(crate) is_admin: bool,
}

/// A token as its owner sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct TokenSummary {
    pub(crate) id: i64,
    pub(crate) hint: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) expires_at: String,
    pub(crate) last_used_at: Option<String>,
    pub(crate) revoked: bool,
}

/// What a new token may do.
#[derive(Debug, Clone)]
pub(crate) struct NewToken<'a> {
    pub(crate) user: i64,
    pub(crate) hash: Vec<u8>,
    pub(crate) hint: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) names: &'a [String],
    pub(crate) expires_at: i64,
}

/// Texts as the JSON that the statements read.
pub(crate) fn json_list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_else(|_| "[]".to_owned())
}

const FIND: Sql = Sql {
    sqlite: "select t.id, t.user_id, u.login, t.scopes, t.names, t.expires_at, t.last_used_at, t.revoked_at,
     u.banned_at, u.ban_reason, m.role from tokens t join users u on u.id = t.user_id
     left join owners o on o.name = '*' left join members m on m.owner_id = o.id and m.user_id = u.id
     where t.hash = $1",
    postgres:
        "select t.id, t.user_id, u.login, to_json(t.scopes)::text, to_json(t.names)::text, t.expires_at,
     t.last_used_at, t.revoked_at, u.banned_at, u.ban_reason, m.role from tokens t
     join users u on u.id = t.user_id left join owners o on o.name = '*'
     left join members m on m.owner_id = o.id and m.user_id = u.id where t.hash = $1",
};

const LIST: Sql = Sql {
    sqlite: "select id, hint, scopes, names, expires_at, last_used_at, revoked_at from tokens
     where user_id = $1 order by id",
    postgres: "select id, hint, to_json(scopes)::text, to_json(names)::text, expires_at, last_used_at,
     revoked_at from tokens where user_id = $1 order by id",
};

const INSERT: Sql = Sql {
    sqlite: "insert into tokens(user_id, hash, hint, scopes, names, expires_at) values ($1, $2, $3, $4, $5, $6)
     returning id",
    postgres: "insert into tokens(user_id, hash, hint, scopes, names, expires_at) values ($1, $2, $3,
     array(select jsonb_array_elements_text($4::jsonb)), array(select jsonb_array_elements_text($5::jsonb)), $6)
     returning id",
};

impl Db {
    /// The token of that hash.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_token(&self, hash: Vec<u8>) -> DbResult<Option<TokenRow>> {
        let Some(row) = self.fetch_first(FIND, values![hash]).await? else { return Ok(None) };
        Ok(Some(TokenRow {
            id: row.int(0)?,
            user: row.int(1)?,
            login: row.text(2)?,
            scopes: row.texts(3)?,
            names: row.texts(4)?,
            expires_at: row.int(5)?,
            last_used_at: row.maybe_int(6)?,
            is_revoked: row.maybe_int(7)?.is_some(),
            is_banned: row.maybe_int(8)?.is_some(),
            ban_reason: row.maybe_text(9)?,
            is_admin: row.maybe_text(10)?.is_some(),
        }))
    }

    /// The tokens of a user, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_tokens(&self, user: i64) -> DbResult<Vec<TokenSummary>> {
        let rows = self.fetch_all(LIST, values![user]).await?;
        let summary = |row: &super::DbRow| {
            Ok(TokenSummary {
                id: row.int(0)?,
                hint: row.text(1)?,
                scopes: row.texts(2)?,
                names: row.texts(3)?,
                expires_at: crate::clock::format_millis(row.int(4)?),
                last_used_at: row.maybe_int(5)?.map(crate::clock::format_millis),
                revoked: row.maybe_int(6)?.is_some(),
            })
        };
        rows.iter().map(summary).collect()
    }

    /// Revokes a token of a user; says whether it was there and valid.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn revoke_token(&self, user: i64, id: i64) -> DbResult<bool> {
        let sql = "update tokens set revoked_at = $1 where id = $2 and user_id = $3 and revoked_at is null";
        Ok(self.execute(sql, values![now_millis(), id, user]).await? > 0)
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn touch_token(&self, id: i64) -> DbResult<()> {
        let sql = "update tokens set last_used_at = $1 where id = $2";
        self.execute(sql, values![now_millis(), id]).await.map(|_| ())
    }

    /// The user whose session has that hash, if it has not expired.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_session(&self, hash: Vec<u8>) -> DbResult<Option<(i64, String, bool)>> {
        let sql = "select u.id, u.login, m.role from sessions s join users u on u.id = s.user_id
         left join owners o on o.name = '*' left join members m on m.owner_id = o.id and m.user_id = u.id
         where s.hash = $1 and s.expires_at > $2 and u.banned_at is null";
        let row = self.fetch_first(sql, values![hash, now_millis()]).await?;
        row.map(|row| Ok((row.int(0)?, row.text(1)?, row.maybe_text(2)?.is_some()))).transpose()
    }

    /// Begins a session; user 0 is whoever has the link of the first start.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn create_session(&self, hash: Vec<u8>, user: i64, expires_at: i64) -> DbResult<()> {
        let sql = "insert into sessions(hash, user_id, expires_at) values ($1, $2, $3)";
        self.execute(sql, values![hash, user, expires_at]).await.map(|_| ())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn end_session(&self, hash: Vec<u8>) -> DbResult<()> {
        self.execute("delete from sessions where hash = $1", values![hash]).await.map(|_| ())
    }
}

impl Tx {
    /// Stores a token; its id.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn insert_token(&mut self, new: NewToken<'_>) -> DbResult<i64> {
        let (scopes, names) = (json_list(new.scopes), json_list(new.names));
        let values = values![new.user, new.hash, new.hint, scopes, names, new.expires_at];
        self.fetch_first(INSERT, values).await?.map_or(Ok(0), |row| row.int(0))
    }

    /// Uses up the link of the first start; says whether that was it.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn use_setup_session(&mut self, hash: Vec<u8>) -> DbResult<bool> {
        let sql = "delete from sessions where hash = $1 and user_id = 0 and expires_at > $2";
        let is_it = self.execute(sql, values![hash, now_millis()]).await? > 0;
        if is_it {
            self.execute("delete from sessions where user_id = 0", Vec::new()).await?;
        }
        Ok(is_it)
    }
}
