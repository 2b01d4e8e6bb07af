import { createContext, useContext, type MouseEvent, type ReactNode } from 'react';

/** What can be shown: the list of conversations, the public rooms, a conversation, or the invitation to a public one. */
export type Place =
  | 'list'
  | 'rooms'
  | { readonly conversation: string; readonly at?: number | undefined }
  | { readonly room: string };

/** How the page around the components shows places. */
export interface Places {
  /** Shows a place. `replace`: without an entry in the browser's history. */
  readonly open: (place: Place, options?: { readonly replace?: boolean }) => void;
  /**
   * The address of a place, for links that can be opened in another tab or copied. Without it places are opened by
   * buttons, and the address of a public room can't be copied.
   */
  readonly hrefOf?: ((place: Place) => string) | undefined;
  /** Whether the page shows the public rooms. */
  readonly hasRooms?: boolean | undefined;
}

/** The page around the components. By default it shows nothing. */
export const PlacesContext = createContext<Places>({ open: () => undefined });

/** The id of the conversation that the page shows. */
export const OpenConversationContext = createContext<string | undefined>(undefined);

/** Shows a place. */
export const useOpenPlace = (): Places['open'] => useContext(PlacesContext).open;

/** The id of the conversation that the page shows. */
export const useOpenConversationId = (): string | undefined => useContext(OpenConversationContext);

/** The address under which others find a public room. Undefined if the page has none. */
export function useRoomAddress(id: string): string | undefined {
  const { hrefOf } = useContext(PlacesContext);
  return hrefOf && new URL(hrefOf({ room: id }), location.href).href;
}

interface Props {
  readonly to: Place;
  readonly className?: string;
  readonly 'aria-label'?: string;
  readonly 'aria-current'?: 'page' | undefined;
  readonly onClick?: () => void;
  readonly children: ReactNode;
}

/** A link to a place, or a button if places have no addresses. */
export function PlaceLink({ to, onClick, ...attributes }: Props) {
  const { open, hrefOf } = useContext(PlacesContext);
  const follow = () => {
    onClick?.();
    open(to);
  };
  if (!hrefOf) return <button type="button" {...attributes} onClick={follow} />;
  const onLink = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    follow();
  };
  return <a href={hrefOf(to)} {...attributes} onClick={onLink} />;
}
