import { useTexts } from '~/texts'
import { SecretDialog } from '~/ui/SecretDialog'

/** Shows the text of a key once, with the header that carries it. */
export function NewSecret(props: { secret: string; lead: string; onClose: () => void }) {
  const texts = useTexts()
  return (
    <SecretDialog {...props} texts={texts.serviceKeys.secret}>
      <p>
        {texts.serviceKeys.secret.header} <code className="mono">Authorization: Bearer oms_…</code>
      </p>
    </SecretDialog>
  )
}
