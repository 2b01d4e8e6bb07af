import { useLocation } from 'wouter';
import { Dialog, useChat, useClient, useMe } from '@parley/react-ui/parts';
import { logOut } from './log-out.ts';
import { useAppStrings } from '../strings/app-strings.tsx';

/** Ends the session and shows the start page. */
export function useLogOut(): () => void {
  const client = useClient();
  const [, navigate] = useLocation();
  return () => {
    navigate('/');
    void logOut(client);
  };
}

/** Asks whether to log out. */
export function LogOutDialog({ onClose }: { readonly onClose: () => void }) {
  const { shell } = useAppStrings();
  const pending = useChat((state) => state.pendingCount);
  const leave = useLogOut();
  const [, navigate] = useLocation();
  const isGuest = useMe().kind === 'guest';
  const createAccount = () => {
    onClose();
    navigate('/settings');
  };
  return (
    <Dialog title={shell.logOut.title} onClose={onClose}>
      {isGuest && (
        <p className="notice" role="note">
          {shell.logOut.guest}
        </p>
      )}
      <p>{pending === 0 ? shell.logOut.hint : shell.logOut.unsent(pending)}</p>
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          {shell.logOut.stay}
        </button>
        {isGuest && (
          <button type="button" className="button primary" onClick={createAccount}>
            {shell.logOut.createAccount}
          </button>
        )}
        <button type="button" className="button danger" onClick={leave}>
          {shell.logOut.logOut}
        </button>
      </div>
    </Dialog>
  );
}
