import { Inject, Injectable } from '@nestjs/common';
import {
  ChatError,
  foldName,
  newId,
  type Actor,
  type CallInput,
  type Caller,
  type Session,
  type User,
} from '@parley/contracts';
import { isUniqueViolation, type Sql } from '@parley/store';
import { Announcer } from '../event-publisher.js';
import { guestName } from './guest-names.js';
import { PARTS, SETTINGS, type AuthParts, type Settings } from '../parts.js';
import { Passwords } from './passwords.js';
import { Sessions, type Granted } from '../sessions/sessions.js';
import { taken, userColumns, userOf, type UserRow } from '../users/users.js';

interface CredentialRow extends UserRow {
  password_hash: string;
}
/** How often a guest's name is drawn again when it is taken; each time from a hundred times as many. */
const DRAWS = 3;

/** How people come in: accounts, guests and passwords. */
@Injectable()
export class Accounts {
  constructor(
    @Inject(PARTS) private readonly parts: AuthParts,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(Passwords) private readonly passwords: Passwords,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(Announcer) private readonly announcer: Announcer,
  ) {}

  /**
   * A new account. With a guest's token the guest becomes that person: id and session stay, the session's earlier refresh tokens are spent. A person's
   * token changes nothing: the answer is a new account beside theirs. `conflict`: the username is taken, or the guest has become a person already.
   */
  async register(caller: Caller, input: CallInput<'auth.register'>): Promise<Session> {
    const hash = await this.passwords.hash(input.password);
    const promoted = caller.kind === 'guest' && caller.userId !== undefined && caller.sessionId !== undefined;
    const granted = await this.parts.database
      .transaction((sql) =>
        promoted ? this.promote(sql, caller as Actor, input, hash) : this.create(sql, caller, input, hash),
      )
      .catch(taken);
    if (promoted) await this.announcer.announce('user.updated.v1', { user: granted.user });
    return this.sessions.grant(granted);
  }

  /** `unauthenticated` for a wrong name as for a wrong password, after the same work. */
  async login(caller: Caller, { username, password, deviceName }: CallInput<'auth.login'>): Promise<Session> {
    const [row] = await this.parts.database.query<CredentialRow>(
      `select ${userColumns}, c.password_hash from auth."user" u join auth.credential c on c.user_id = u.id where u.username = $1`,
      [username],
    );
    const good = await this.passwords.matches(row?.password_hash, password);
    const granted = row && good ? await this.openWith(row, caller, deviceName) : undefined;
    if (!granted) throw new ChatError('unauthenticated', 'wrong username or password');
    return this.sessions.grant(granted);
  }

  /** A guest with a name of our making; `displayName` only replaces what people see. `forbidden` where the operator wants none. */
  async guest(caller: Caller, { displayName, deviceName }: CallInput<'auth.guest'>): Promise<Session> {
    if (!this.settings.guests) throw new ChatError('forbidden', 'Guests are not let in here');
    for (let draw = 1; ; draw++) {
      const name = guestName(100 ** (draw + 1));
      try {
        const granted = await this.parts.database.transaction(async (sql) => {
          const user = await this.insert(
            sql,
            { username: name.username, displayName: displayName ?? name.displayName },
            'guest',
          );
          return this.sessions.open(sql, user, caller, deviceName);
        });
        return await this.sessions.grant(granted);
      } catch (error) {
        if (draw === DRAWS || !isUniqueViolation(error, 'user_username_key')) throw error;
      }
    }
  }

  /** Ends every other session of the caller. `forbidden`: `current` is wrong, or there is no password (guests). */
  async changePassword(caller: Actor, { current, next }: CallInput<'auth.password'>): Promise<void> {
    const [row] = await this.parts.database.query<{ password_hash: string }>(
      `select password_hash from auth.credential where user_id = $1`,
      [caller.userId],
    );
    if (!(await this.passwords.matches(row?.password_hash, current)))
      throw new ChatError('forbidden', 'the current password is wrong');
    const hash = await this.passwords.hash(next);
    const ended = await this.parts.database.transaction(async (sql) => {
      const changed = await sql.query(
        `update auth.credential set password_hash = $3, changed_at = now() where user_id = $1 and password_hash = $2 returning user_id`,
        [caller.userId, row!.password_hash, hash],
      );
      if (changed.length === 0) throw new ChatError('conflict', 'the password was changed meanwhile');
      return this.sessions.endOthers(sql, caller, 'password');
    });
    await this.sessions.revoked(caller.userId, ended, 'password');
  }

  private async create(sql: Sql, caller: Caller, input: CallInput<'auth.register'>, hash: string): Promise<Granted> {
    const user = await this.insert(sql, { ...input, displayName: input.displayName ?? input.username }, 'person');
    await sql.query(`insert into auth.credential (user_id, password_hash) values ($1, $2)`, [user.id, hash]);
    return this.sessions.open(sql, user, caller, input.deviceName);
  }

  private async promote(sql: Sql, caller: Actor, input: CallInput<'auth.register'>, hash: string): Promise<Granted> {
    const [row] = await sql.query<UserRow>(
      `update auth."user" u set kind = 'person', username = $2, display_name = coalesce($3, display_name), folded_name = coalesce($4, folded_name),
              email = $5, first_name = $6, last_name = $7
        where id = $1 and kind = 'guest' returning ${userColumns}`,
      [
        caller.userId,
        input.username,
        input.displayName,
        input.displayName && foldName(input.displayName),
        input.email,
        input.firstName,
        input.lastName,
      ],
    );
    if (!row) throw new ChatError('conflict', 'this guest has an account already');
    await sql.query(`insert into auth.credential (user_id, password_hash) values ($1, $2)`, [row.id, hash]);
    const granted = await this.sessions.renew(sql, userOf(row), caller.sessionId, caller);
    if (!granted) throw new ChatError('unauthenticated', 'the session has ended');
    return granted;
  }

  /** Opens a session for a password that was right a moment ago, unless it was changed since. */
  private openWith(row: CredentialRow, caller: Caller, deviceName: string | undefined): Promise<Granted | undefined> {
    return this.parts.database.transaction(async (sql) => {
      const unchanged = await sql.query(
        `select 1 as one from auth.credential where user_id = $1 and password_hash = $2 for share`,
        [row.id, row.password_hash],
      );
      return unchanged.length === 0 ? undefined : this.sessions.open(sql, userOf(row), caller, deviceName);
    });
  }

  private async insert(
    sql: Sql,
    {
      username,
      displayName,
      email,
      firstName,
      lastName,
    }: { username: string; displayName: string } & Partial<
      Pick<CallInput<'auth.register'>, 'email' | 'firstName' | 'lastName'>
    >,
    kind: User['kind'],
  ): Promise<User> {
    const [row] = await sql.query<UserRow>(
      `insert into auth."user" as u (id, username, display_name, folded_name, kind, email, first_name, last_name)
       values ($1, $2, $3, $4, $5, $6, $7, $8) returning ${userColumns}`,
      [newId(), username, displayName, foldName(displayName), kind, email, firstName, lastName],
    );
    return userOf(row!);
  }
}
