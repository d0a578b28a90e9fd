//! People and owners: who may do what to which names.

use super::{Db, DbResult, DbRow, Tx, values};
use crate::clock::now_millis;

/// The owner whose members are the admins of the registry; not a name that anybody can publish to.
pub(crate) const ADMINS: &str = "*";

/// A person or a machine that has an account.
#[derive(Debug, Clone)]
pub(crate) struct UserRow {
    pub(crate) id: i64,
    pub(crate) login: String,
    pub(crate) password_hash: Option<String>,
    pub(crate) ban_reason: Option<String>,
    pub(crate) is_banned: bool,
    pub(crate) is_admin: bool,
}

/// Who owns names that begin with `@name/`.
#[derive(Debug, Clone)]
pub(crate) struct OwnerRow {
    pub(crate) id: i64,
    pub(crate) is_held: bool,
    pub(crate) is_tombstoned: bool,
}

/// A member of an owner.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct MemberRow {
    pub(crate) login: String,
    pub(crate) role: String,
}

const USER: &str = "select u.id, u.login, u.password_hash, u.banned_at, u.ban_reason, m.role from users u
 left join owners o on o.name = '*' left join members m on m.owner_id = o.id and m.user_id = u.id
 where u.login = $1";

fn user_of(row: &DbRow) -> DbResult<UserRow> {
    Ok(UserRow {
        id: row.int(0)?,
        login: row.text(1)?,
        password_hash: row.maybe_text(2)?,
        is_banned: row.maybe_int(3)?.is_some(),
        ban_reason: row.maybe_text(4)?,
        is_admin: row.maybe_text(5)?.is_some(),
    })
}

fn owner_of(row: &DbRow) -> DbResult<OwnerRow> {
    Ok(OwnerRow {
        id: row.int(0)?,
        is_held: row.maybe_int(1)?.is_some(),
        is_tombstoned: row.maybe_int(2)?.is_some(),
    })
}

impl Db {
    /// The user of that login.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_user(&self, login: &str) -> DbResult<Option<UserRow>> {
        self.fetch_first(USER, values![login]).await?.map(|row| user_of(&row)).transpose()
    }

    /// How many people there are.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn count_users(&self) -> DbResult<i64> {
        self.fetch_first("select count(*) from users", Vec::new()).await?.map_or(Ok(0), |row| row.int(0))
    }

    /// The owner of that name.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn find_owner(&self, name: &str) -> DbResult<Option<OwnerRow>> {
        let sql = "select id, held_at, tombstoned_at from owners where name = $1";
        self.fetch_first(sql, values![name]).await?.map(|row| owner_of(&row)).transpose()
    }

    /// All names of owners, in use or reserved.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn owner_names(&self) -> DbResult<Vec<String>> {
        let rows = self.fetch_all("select name from owners where name <> '*'", Vec::new()).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// What `user` is to the owner of that name, if anything.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn role_of(&self, user: i64, owner: &str) -> DbResult<Option<String>> {
        let sql = "select m.role from members m join owners o on o.id = m.owner_id
         where m.user_id = $1 and o.name = $2";
        self.fetch_first(sql, values![user, owner]).await?.map(|row| row.text(0)).transpose()
    }

    /// The owners that a user is a member of.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn owners_of(&self, user: i64) -> DbResult<Vec<(String, String)>> {
        let sql = "select o.name, m.role from members m join owners o on o.id = m.owner_id
         where m.user_id = $1 and o.name <> '*' order by o.name";
        let rows = self.fetch_all(sql, values![user]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// The members of an owner, by login.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn list_members(&self, owner: &str) -> DbResult<Vec<MemberRow>> {
        let sql = "select u.login, m.role from members m join owners o on o.id = m.owner_id
         join users u on u.id = m.user_id where o.name = $1 order by u.login";
        let rows = self.fetch_all(sql, values![owner]).await?;
        rows.iter().map(|row| Ok(MemberRow { login: row.text(0)?, role: row.text(1)? })).collect()
    }

    /// Bans a user with a reason, or lifts the ban; says whether there is that user. Tokens of a
    /// banned one are revoked.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn set_ban(tx: &mut Tx, login: &str, reason: Option<&str>) -> DbResult<bool> {
        let at = reason.map(|_| now_millis());
        let reason = reason.map(str::to_owned);
        let sql = "update users set banned_at = $1, ban_reason = $2 where login = $3";
        let changed = tx.execute(sql, values![at, reason, login]).await?;
        if let Some(at) = at {
            let sql = "update tokens set revoked_at = $1 where revoked_at is null
             and user_id = (select id from users where login = $2)";
            tx.execute(sql, values![at, login]).await?;
            let sql = "delete from sessions where user_id = (select id from users where login = $1)";
            tx.execute(sql, values![login]).await?;
        }
        Ok(changed > 0)
    }
}

impl Tx {
    /// Makes a user; the id.
    ///
    /// # Errors
    /// `Exists` when the login is taken.
    pub(crate) async fn create_user(&mut self, login: &str, password_hash: Option<String>) -> DbResult<i64> {
        let sql = "insert into users(login, password_hash, created_at) values ($1, $2, $3) returning id";
        let row = self.fetch_first(sql, values![login, password_hash, now_millis()]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// The user that an issuer calls `subject`, made where there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn user_of_issuer(&mut self, issuer: &str, subject: &str) -> DbResult<i64> {
        let sql = "select id from users where oidc_issuer = $1 and oidc_subject = $2";
        if let Some(row) = self.fetch_first(sql, values![issuer, subject]).await? {
            return row.int(0);
        }
        let login = format!("{issuer}#{subject}");
        let sql = "insert into users(login, oidc_issuer, oidc_subject, created_at)
         values ($1, $2, $3, $4) returning id";
        let row = self.fetch_first(sql, values![login, issuer, subject, now_millis()]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Gives a user a password.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn set_password(&mut self, user: i64, password_hash: &str) -> DbResult<()> {
        let sql = "update users set password_hash = $1 where id = $2";
        self.execute(sql, values![password_hash, user]).await.map(|_| ())
    }

    /// The owner of that name, locked until the transaction ends.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn lock_owner(&mut self, name: &str) -> DbResult<Option<OwnerRow>> {
        let sql = super::Sql {
            sqlite: "select id, held_at, tombstoned_at from owners where name = $1",
            postgres: "select id, held_at, tombstoned_at from owners where name = $1 for update",
        };
        self.fetch_first(sql, values![name]).await?.map(|row| owner_of(&row)).transpose()
    }

    /// Makes an owner; the id. A held one waits for an admin.
    ///
    /// # Errors
    /// `Exists` when the name is taken.
    pub(crate) async fn create_owner(&mut self, name: &str, skeleton: &str, is_held: bool) -> DbResult<i64> {
        let now = now_millis();
        let held = is_held.then_some(now);
        let sql =
            "insert into owners(name, skeleton, created_at, held_at) values ($1, $2, $3, $4) returning id";
        let row = self.fetch_first(sql, values![name, skeleton, now, held]).await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Reserves a name: an owner without members, which nobody can claim.
    ///
    /// # Errors
    /// `Exists` when the name is taken.
    pub(crate) async fn reserve_owner(&mut self, name: &str, skeleton: &str) -> DbResult<()> {
        self.create_owner(name, skeleton, false).await.map(|_| ())
    }

    /// Lifts the hold of an owner; says whether it was held.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn release_owner(&mut self, name: &str) -> DbResult<bool> {
        let sql = "update owners set held_at = null where name = $1 and held_at is not null";
        Ok(self.execute(sql, values![name]).await? > 0)
    }

    /// Makes a user a member of an owner in a role, or changes the role.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn put_member(&mut self, owner: i64, user: i64, role: &str) -> DbResult<()> {
        let sql = "insert into members(owner_id, user_id, role) values ($1, $2, $3)
         on conflict(owner_id, user_id) do update set role = excluded.role";
        self.execute(sql, values![owner, user, role]).await.map(|_| ())
    }

    /// Takes a member away; says whether it was one.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn remove_member(&mut self, owner: i64, user: i64) -> DbResult<bool> {
        let sql = "delete from members where owner_id = $1 and user_id = $2";
        Ok(self.execute(sql, values![owner, user]).await? > 0)
    }

    /// How many members have the role `owner`.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn count_owners(&mut self, owner: i64) -> DbResult<i64> {
        let sql = "select count(*) from members where owner_id = $1 and role = 'owner'";
        self.fetch_first(sql, values![owner]).await?.map_or(Ok(0), |row| row.int(0))
    }

    /// Makes a user an admin of the registry.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn make_admin(&mut self, user: i64) -> DbResult<()> {
        let owner = match self.lock_owner(ADMINS).await? {
            Some(owner) => owner.id,
            None => self.create_owner(ADMINS, ADMINS, false).await?,
        };
        self.put_member(owner, user, "admin").await
    }
}
