import { commonConfig, env, secret, secretKeyConfig } from '@parley/service-kit';
import { databaseUrl } from '@parley/store';

const DAY_S = 86_400;

/** The configuration of the auth service, in both modes. */
export const authSettings = {
  ...secretKeyConfig,
  ACCESS_TOKEN_SECONDS: env.integer(10, DAY_S).default(900).describe('Lifetime of an access token'),
  SESSION_DAYS: env.integer(1, 3650).default(30).describe('A session ends so many days after its last refresh'),
  SIGNING_KEY_DAYS: env.integer(1, 3650).default(90).describe('A signing key is replaced after so many days'),
  GUESTS: env.flag
    .default(true)
    .describe('Whether guests (people without an account) are let in; existing guests stay'),
  PASSWORD_CONCURRENCY: env
    .integer(1, 64)
    .default(2)
    .describe('Passwords hashed at a time; each takes 19 MiB and one of the 4 threads that Node has for such work'),
  PASSWORD_QUEUE: env
    .integer(0, 100_000)
    .default(200)
    .describe(
      'Passwords that may wait to be hashed. Addresses take turns; of more, those of the address with the most are refused',
    ),
};

/** Configuration of the auth service as a process of its own. */
export const authConfig = {
  ...commonConfig,
  ...authSettings,
  AMQP_URL: secret(env.url('amqp', 'amqps'), 'RabbitMQ, as the user of this service'),
  DATABASE_URL: secret(databaseUrl, 'Postgres, as role parley_auth'),
  DATABASE_POOL: env.integer(1, 1000).default(10).describe('Maximum database connections of one replica'),
};
