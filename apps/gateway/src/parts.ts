import type { Broker } from '@parley/broker';
import type { Limiters, Registry, Traces } from '@parley/realtime';
import type { Health, Logger } from '@parley/service-kit';
import type { GatewayConfig } from './config.js';

/** What a gateway is made of. It neither creates nor closes them. */
export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly broker: Broker;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly health: Health;
  /** Counts what all gateways allow together. */
  readonly limiters: Limiters;
  readonly traces: Traces;
}

export const PARTS = Symbol('GatewayParts');

/** Passport's name for the token check of this gateway; a process may hold several. */
export const strategyName = ({ broker }: Pick<GatewayParts, 'broker'>): string => `access-token:${broker.instance}`;
