import { useBlocker } from '@tanstack/react-router'
import { useTexts } from '~/texts'
import { Dialog } from './Dialog'

/** Asks before the page is left, while something typed is not saved. `isUnsaved` is asked at the last moment. */
export function Unsaved(props: { isUnsaved: () => boolean }) {
  const texts = useTexts()
  const { isUnsaved } = props
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => current.pathname !== next.pathname && isUnsaved(),
    enableBeforeUnload: isUnsaved,
    withResolver: true,
  })
  return (
    <Dialog
      open={status === 'blocked'}
      onClose={() => reset?.()}
      title={texts.unsaved.title}
      lead={texts.unsaved.lead}
    >
      <div className="actions">
        <button type="button" className="button danger" onClick={() => proceed?.()}>
          {texts.unsaved.leave}
        </button>
        <button type="button" className="button primary" onClick={() => reset?.()}>
          {texts.unsaved.stay}
        </button>
      </div>
    </Dialog>
  )
}
