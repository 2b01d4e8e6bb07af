import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { secret } from './config.js';
import { StartError } from './run.js';

const MIN_LENGTH = 32;
/** Of 32 random hexadecimal digits, fewer differ once in ten million keys. */
const MIN_DIFFERENT = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const storedKey = z
  .string()
  .min(MIN_LENGTH, `must have at least ${MIN_LENGTH} characters, such as: openssl rand -base64 32`);
/** Whether a key may be random: it has many different characters, and is no repetition of a shorter text. */
const isVaried = (key: string): boolean =>
  new Set(key).size >= MIN_DIFFERENT && (key + key).indexOf(key, 1) === key.length;
const newKey = storedKey.refine(
  isVaried,
  'must be random: it repeats itself, or has few different characters. Make one with: openssl rand -base64 32',
);

/** The variables of services that store secrets. */
export const secretKeyConfig = {
  SECRET_KEY: secret(
    newKey.optional(),
    'Encrypts the keys and secrets in the database: at least 32 random characters (`openssl rand -base64 32`), the same for all services. Once set it is required; keep it beside the backups, which do not contain it',
  ),
  SECRET_KEY_PREVIOUS: secret(
    storedKey.optional(),
    'The SECRET_KEY of before, while stored secrets are changed over to the new one, at the start; without a SECRET_KEY they are decrypted for good',
  ),
};

/** The keys of {@link ColumnCipher}: those of {@link secretKeyConfig}. */
export interface SecretKeys {
  readonly current?: string | undefined;
  readonly previous?: string | undefined;
}

/** The keys that a configuration gives. */
export const secretKeysOf = (config: {
  readonly SECRET_KEY?: string | undefined;
  readonly SECRET_KEY_PREVIOUS?: string | undefined;
}): SecretKeys => ({ current: config.SECRET_KEY, previous: config.SECRET_KEY_PREVIOUS });

interface DerivedKey {
  readonly prefix: string;
  readonly bytes: Uint8Array;
}

/**
 * Encrypts the values of one column (AES-256-GCM, under a key derived for this column). Every value belongs to its row:
 * it cannot be moved to another one. Values that were stored without a key stay readable, and so do those of the
 * previous key. Without a key, values are stored as they are.
 */
export class ColumnCipher {
  /** Begins every encrypted value, before the id of its key. */
  static readonly format = 'encrypted:v1:';
  private readonly current: DerivedKey | undefined;
  private readonly known: readonly DerivedKey[];

  /** `column` names the column, and must never change. */
  constructor(
    private readonly column: string,
    { current, previous }: SecretKeys,
  ) {
    this.current = current === undefined ? undefined : derive(column, current);
    this.known = [
      ...(this.current ? [this.current] : []),
      ...(previous === undefined ? [] : [derive(column, previous)]),
    ];
  }

  /** The beginning of values under the current key. Undefined without a key. */
  get prefix(): string | undefined {
    return this.current?.prefix;
  }

  /** Whether a stored value has to be encrypted again, under the current key, or decrypted, without one. */
  isOutdated(stored: string): boolean {
    return this.current ? !stored.startsWith(this.current.prefix) : stored.startsWith(ColumnCipher.format);
  }

  encrypt(text: string, row: string): string {
    if (!this.current) return text;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.current.bytes, nonce).setAAD(Buffer.from(row));
    const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `${this.current.prefix}${bytes.toString('base64url')}`;
  }

  /** Throws a `StartError` in words for operators when the key of the value is not known, or the value is damaged. */
  decrypt(stored: string, row: string): string {
    if (!stored.startsWith(ColumnCipher.format)) return stored;
    const key = this.known.find(({ prefix }) => stored.startsWith(prefix));
    if (!key)
      throw new StartError(
        this.known.length === 0
          ? `${this.column} is encrypted in the database and SECRET_KEY is not set: set the key under which it was encrypted`
          : `${this.column} is encrypted in the database under another SECRET_KEY: set that one, or give it as SECRET_KEY_PREVIOUS to change to the present one`,
      );
    const bytes = Buffer.from(stored.slice(key.prefix.length), 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(row))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      throw new StartError(
        `${this.column} is damaged in the database, in row ${row}: restore it from a backup, or delete the row`,
      );
    }
  }
}

function derive(column: string, key: string): DerivedKey {
  const bytes = new Uint8Array(hkdfSync('sha256', key, '', `parley/${column}/v1`, 32));
  const id = Buffer.from(hkdfSync('sha256', key, '', `parley/${column}/v1/id`, 6)).toString('base64url');
  return { prefix: `${ColumnCipher.format}${id}:`, bytes };
}
