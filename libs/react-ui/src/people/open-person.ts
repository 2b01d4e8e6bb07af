import { createContext, useContext } from 'react';

/** Opens a person's card; with a conversation, for what can be done about them there. */
export type OpenPerson = (userId: string, conversationId?: string) => void;

/** How components below open a person's card. */
export const OpenPersonContext = createContext<OpenPerson>(() => undefined);

/** Opens a person's card. */
export const useOpenPerson = (): OpenPerson => useContext(OpenPersonContext);
