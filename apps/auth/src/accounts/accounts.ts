import { LockMode, sql, type SqlEntityManager } from '@mikro-orm/postgresql';
import { Injectable } from '@nestjs/common';
import {
  ChatError,
  foldName,
  type Actor,
  type CallInput,
  type Caller,
  type Session,
  type User,
} from '@parley/contracts';
import { CredentialEntity, Database, UserEntity } from '@parley/store';
import { AccountEvents } from '../account-events.js';
import { Bots } from '../bots/bots.js';
import { WebhookPurges } from '../bots/webhook-purges.js';
import { Sessions, type Grant } from '../sessions/sessions.js';
import { AuthSettings } from '../settings.js';
import {
  giveUpUsername,
  isTaken,
  requireFreeUsername,
  requireOwnDisplayName,
  requireUnreserved,
  rethrowTaken,
  usernameColumns,
} from '../users/names.js';
import { insertUser, userColumns, userOf, type UserRow } from '../users/users.js';
import { requireUncommon } from './common-passwords.js';
import { guestName } from './guest-names.js';
import { Passwords } from './passwords.js';

/** Attempts to find a free guest name; each draws from 100 times as many names. */
const MAX_DRAWS = 3;

/** Registration, login, guests and passwords. */
@Injectable()
export class Accounts {
  constructor(
    private readonly database: Database,
    private readonly settings: AuthSettings,
    private readonly passwords: Passwords,
    private readonly sessions: Sessions,
    private readonly bots: Bots,
    private readonly purges: WebhookPurges,
    private readonly events: AccountEvents,
  ) {}

  /**
   * Creates an account. With a guest's token the guest becomes that person: user and session stay, the session's
   * earlier refresh tokens become invalid. That needs the session's refresh token, so that a stolen access token does
   * not suffice. A person's token has no effect: the answer is a second account. Rejects with `conflict` when the
   * username is taken, or the guest has become a person already; with `forbidden` without the refresh token; with
   * `invalid` for a common password.
   */
  async register(caller: Caller, input: CallInput<'auth.register'>): Promise<Session> {
    requireUncommon('password', input.password, input.username, input.displayName ?? '');
    const hash = await this.passwords.hash(input.password, caller.address);
    const isGuest = caller.kind === 'guest' && caller.userId !== undefined && caller.sessionId !== undefined;
    const grant = await this.database
      .entities((em) =>
        isGuest ? this.promote(em, caller as Actor, input, hash) : this.create(em, caller, input, hash),
      )
      .catch(rethrowTaken);
    if (isGuest) await this.events.publish('user.updated.v1', { user: grant.user });
    return this.sessions.answer(grant);
  }

  /** Rejects with `unauthenticated` for an unknown name as for a wrong password, after the same work. */
  async login(caller: Caller, { username, password, deviceName }: CallInput<'auth.login'>): Promise<Session> {
    // One SQL statement, so that an unknown name takes as long as a known one.
    const [row] = await this.database.query<UserRow & { passwordHash: string }>(
      `select ${userColumns}, c.password_hash as "passwordHash" from auth."user" u join auth.credential c on c.user_id = u.id where u.username = $1`,
      [username],
    );
    const matches = await this.passwords.matches(row?.passwordHash, password, caller.address);
    const grant =
      row && matches ? await this.openSession(userOf(row), row.passwordHash, caller, deviceName) : undefined;
    if (!grant) throw new ChatError('unauthenticated', 'wrong username or password');
    return this.sessions.answer(grant);
  }

  /**
   * Creates a guest with a generated username; `displayName` replaces only the name that people see. Rejects with
   * `forbidden` when the operator does not let guests in.
   */
  async guest(caller: Caller, { displayName, deviceName }: CallInput<'auth.guest'>): Promise<Session> {
    if (!this.settings.guests) throw new ChatError('forbidden', 'Guest access is disabled');
    for (let draw = 1; ; draw++) {
      const name = guestName(100 ** (draw + 1));
      try {
        const grant = await this.database.entities(async (em) => {
          const profile = { username: name.username, displayName: displayName ?? name.displayName };
          return this.sessions.open(em, await insertUser(em, profile, 'guest'), caller, deviceName);
        });
        return await this.sessions.answer(grant);
      } catch (error) {
        if (draw === MAX_DRAWS || !isTaken(error)) throw error;
      }
    }
  }

  /**
   * Changes the password and ends every other session of the caller; with `endBots` also deletes the caller's bots and
   * webhooks. Rejects with `forbidden` when `current` is wrong, or there is no password (guests), with `conflict` when
   * it was changed meanwhile, and with `invalid` when `next` is common.
   */
  async changePassword(
    { userId, sessionId, address }: Actor,
    { current, next, endBots = false }: CallInput<'auth.password'>,
  ): Promise<void> {
    const { user, credential } = await this.database.entities(async (em) => ({
      user: await em.findOne(UserEntity, { id: userId }),
      credential: await em.findOne(CredentialEntity, { userId }, { populate: ['passwordHash'] }),
    }));
    if (user) requireUncommon('next', next, user.username, user.displayName);
    const before = credential?.passwordHash;
    if (before === undefined || !(await this.passwords.matches(before, current, address)))
      throw new ChatError('forbidden', 'the current password is wrong');
    const passwordHash = await this.passwords.hash(next, address);
    const { ended, bots } = await this.database.entities(async (em) => {
      const changed = await em.nativeUpdate(
        CredentialEntity,
        { userId, passwordHash: before },
        { passwordHash, changedAt: sql.now() },
      );
      if (changed === 0) throw new ChatError('conflict', 'the password was changed meanwhile');
      const endedHere = await this.sessions.endOthers(em, { userId, sessionId }, 'password');
      if (endBots) await this.purges.request(em, userId);
      return { ended: endedHere, bots: endBots ? await this.bots.deleteAll(em, userId) : new Map<string, string[]>() };
    });
    await this.sessions.publishEnded(userId, ended, 'password');
    for (const [botId, sessionIds] of bots) await this.sessions.publishEnded(botId, sessionIds, 'ended');
    if (endBots) await this.purges.tryNow(userId);
  }

  private async create(
    em: SqlEntityManager,
    caller: Caller,
    input: CallInput<'auth.register'>,
    passwordHash: string,
  ): Promise<Grant> {
    const user = await insertUser(em, { ...input, displayName: input.displayName ?? input.username }, 'person');
    em.create(CredentialEntity, { userId: user.id, passwordHash });
    return this.sessions.open(em, user, caller, input.deviceName);
  }

  private async promote(
    em: SqlEntityManager,
    caller: Actor,
    input: CallInput<'auth.register'>,
    passwordHash: string,
  ): Promise<Grant> {
    const guest = await em.findOne(
      UserEntity,
      { id: caller.userId, kind: 'guest' },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!guest) throw new ChatError('conflict', 'this guest has an account already');
    if (
      input.refreshToken === undefined ||
      !(await this.sessions.isCurrentToken(em, caller.sessionId, input.refreshToken))
    )
      throw new ChatError('forbidden', 'the refresh token of the guest’s session is needed');
    const { username, displayName, email = null, firstName = null, lastName = null } = input;
    requireUncommon('password', input.password, displayName ?? guest.displayName);
    requireUnreserved(username);
    await giveUpUsername(em, guest);
    em.assign(guest, {
      kind: 'person',
      ...usernameColumns(username),
      email,
      firstName,
      lastName,
      ...(displayName && { displayName, foldedName: foldName(displayName) }),
    });
    if (displayName) await requireOwnDisplayName(em, guest, displayName);
    em.create(CredentialEntity, { userId: guest.id, passwordHash });
    await em.flush();
    await requireFreeUsername(em, guest);
    const grant = await this.sessions.renew(em, userOf(guest), caller.sessionId, caller);
    if (!grant) throw new ChatError('unauthenticated', 'the session has ended');
    return grant;
  }

  /** Opens a session for a password that was right a moment ago, unless it was changed since. */
  private openSession(
    user: User,
    passwordHash: string,
    caller: Caller,
    deviceName: string | undefined,
  ): Promise<Grant | undefined> {
    return this.database.entities(async (em) => {
      const unchanged = await em.findOne(
        CredentialEntity,
        { userId: user.id, passwordHash },
        { lockMode: LockMode.PESSIMISTIC_READ },
      );
      return unchanged ? this.sessions.open(em, user, caller, deviceName) : undefined;
    });
  }
}
