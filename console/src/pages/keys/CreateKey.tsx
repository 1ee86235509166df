import { useMutation } from '@tanstack/react-query'
import { reread } from '~/api/queries'
import { useTexts } from '~/texts'
import { KeyForm } from './KeyForm'
import { createKey } from './keys'
import { NewSecret } from './NewSecret'

/** Asks for a new service key, and shows its text once. */
export function CreateKey({ onClose }: { onClose: () => void }) {
  const texts = useTexts()
  const creating = useMutation({
    mutationFn: createKey,
    // The secret is forgotten with the dialog.
    gcTime: 0,
    onSuccess: () => reread('keys'),
  })
  if (creating.data)
    return <NewSecret secret={creating.data.key} lead={texts.serviceKeys.secret.created} onClose={onClose} />
  return (
    <KeyForm
      title={texts.serviceKeys.create}
      request={creating}
      submit={texts.serviceKeys.createSubmit}
      onSubmit={(draft) => creating.mutate(draft)}
      onClose={onClose}
    />
  )
}
