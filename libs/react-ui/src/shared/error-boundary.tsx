import { RotateCw } from 'lucide-react';
import {
  Component,
  createContext,
  lazy,
  useContext,
  useEffect,
  useState,
  type ComponentType,
  type ReactNode,
} from 'react';
import { useStrings } from '../strings/strings.tsx';

/** Tells whether the server has another version of the page. */
export const NewVersionContext = createContext<() => Promise<boolean>>(() => Promise.resolve(false));

/** A part of the app that is loaded when it is needed, and could not be. */
class PartMissing extends Error {
  override readonly name = 'PartMissing';
}

/** Like `lazy`. An {@link ErrorBoundary} around it tells when the server does not have the part. */
export const lazyPart = <P extends object>(load: () => Promise<{ default: ComponentType<P> }>) =>
  lazy(() =>
    load().catch((cause: unknown) => {
      throw new PartMissing('a part of the app could not be loaded', { cause });
    }),
  );

interface Props {
  readonly children: ReactNode;
  /** Puts the notice into a frame. */
  readonly frame?: (content: ReactNode) => ReactNode;
}

/** Shows a notice in place of its children when they cannot be rendered. The rest of the app stays as it is. */
export class ErrorBoundary extends Component<Props, { readonly error?: unknown }> {
  override state: { readonly error?: unknown } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render(): ReactNode {
    if (!('error' in this.state)) return this.props.children;
    const notice = <FailureNotice isMissing={this.state.error instanceof PartMissing} />;
    return this.props.frame?.(notice) ?? notice;
  }
}

function FailureNotice({ isMissing }: { readonly isMissing: boolean }) {
  const { failure } = useStrings().common;
  const askForNewVersion = useContext(NewVersionContext);
  const [hasNewVersion, setHasNewVersion] = useState(false);
  useEffect(() => {
    if (isMissing) void askForNewVersion().then(setHasNewVersion);
  }, [askForNewVersion, isMissing]);
  return (
    <div className="empty grow" role="alert">
      <h2>{hasNewVersion ? failure.newVersion : failure.title}</h2>
      <p>{hasNewVersion ? failure.newVersionHint : isMissing ? failure.notLoaded : failure.notShown}</p>
      <button type="button" className="button primary" onClick={() => location.reload()}>
        <RotateCw size={18} />
        {failure.reload}
      </button>
    </div>
  );
}
