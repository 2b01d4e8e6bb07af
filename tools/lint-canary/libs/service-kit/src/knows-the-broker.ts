// breaks: no-restricted-imports ×1
import { createRabbitBroker } from '@parley/broker';

export const broker = createRabbitBroker;
