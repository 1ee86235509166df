/** What may be done with a service key: change it, disable or enable it, replace its secret, delete it. */

import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { reread, rereadIfStale } from '~/api/queries'
import { currentShop } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { FormDialog } from '~/ui/FormDialog'
import { comeIntoView } from '~/ui/FormParts'
import { say } from '~/ui/toast'
import { KeyForm } from './KeyForm'
import { changeKey, changesOf, type Draft, deleteKey, lastDay, rotateKey, type ServiceKey } from './keys'
import { NewSecret } from './NewSecret'

type Props = { serviceKey: ServiceKey; onClose: () => void }

export function ChangeDialog({ serviceKey, onClose }: Props) {
  const texts = useTexts()
  const [opened] = useState(serviceKey)
  const changing = useMutation({
    mutationFn: async (draft: Draft) => {
      // Only what this user has changed is sent, so that the others' changes stay.
      const changes = changesOf(opened, draft, currentShop()?.time_zone)
      if (Object.keys(changes).length) await changeKey(serviceKey, changes)
    },
    onSuccess: () => {
      void reread('keys')
      say(texts.serviceKeys.saved)
      onClose()
    },
    onError: (error) => rereadIfStale(error, 'keys'),
  })
  return (
    <KeyForm
      title={texts.serviceKeys.change}
      serviceKey={opened}
      notice={serviceKey.version !== opened.version && <Current serviceKey={serviceKey} />}
      request={changing}
      submit={texts.common.save}
      onSubmit={(draft) => changing.mutate(draft)}
      onClose={onClose}
    />
  )
}

/** The state after someone else's change, beside what this user has typed. */
function Current({ serviceKey }: { serviceKey: ServiceKey }) {
  const texts = useTexts()
  const formats = useFormats()
  const day = lastDay(serviceKey, currentShop()?.time_zone)
  return (
    <div className="note" ref={comeIntoView}>
      <div className="stack tight">
        <strong>{texts.serviceKeys.changedMeanwhile}</strong>
        <span className="break">
          {serviceKey.name} · {texts.serviceKeys.statuses[serviceKey.status]} ·{' '}
          {texts.serviceKeys.perMinute(formats.count(serviceKey.rate_limit))}
          {day && ` · ${texts.serviceKeys.expires}: ${formats.fullDay(`${day}T12:00`)}`}
        </span>
        <span className="break">
          {serviceKey.scopes.map((it) => texts.serviceKeys.scopes[it].name).join(', ')}
        </span>
        <span className="mono break">{serviceKey.allowed_addresses.join(', ')}</span>
      </div>
    </div>
  )
}

/** Disables a key that can be used, and enables one that is disabled. */
export function SwitchDialog({ serviceKey, onClose }: Props) {
  const texts = useTexts()
  const to = serviceKey.status === 'disabled' ? 'active' : 'disabled'
  const words = texts.serviceKeys.switch[to]
  const switching = useMutation({
    mutationFn: () => changeKey(serviceKey, { status: to }),
    onSuccess: () => {
      void reread('keys')
      say(words.done)
      onClose()
    },
    onError: (error) => rereadIfStale(error, 'keys'),
  })
  return (
    <FormDialog
      title={words.title(serviceKey.name)}
      lead={words.lead}
      request={switching}
      submit={words.open}
      danger={to === 'disabled'}
      onSubmit={() => switching.mutate()}
      onClose={onClose}
    />
  )
}

export function RotateDialog({ serviceKey, onClose }: Props) {
  const texts = useTexts()
  const formats = useFormats()
  const rotating = useMutation({
    mutationFn: () => rotateKey(serviceKey),
    // The secret is forgotten with the dialog.
    gcTime: 0,
    onSuccess: () => reread('keys'),
    onError: (error) => rereadIfStale(error, 'keys'),
  })
  if (rotating.data)
    return (
      <NewSecret
        secret={rotating.data.key}
        lead={texts.serviceKeys.rotate.until(formats.dateTime(rotating.data.previous_valid_until))}
        onClose={onClose}
      />
    )
  return (
    <FormDialog
      title={texts.serviceKeys.rotate.title(serviceKey.name)}
      lead={texts.serviceKeys.rotate.lead}
      request={rotating}
      submit={texts.serviceKeys.rotate.submit}
      onSubmit={() => rotating.mutate()}
      onClose={onClose}
    >
      {serviceKey.previous_valid_until && (
        <p className="note danger">
          {texts.serviceKeys.rotate.again(formats.dateTime(serviceKey.previous_valid_until))}
        </p>
      )}
      <p className="hint">{texts.serviceKeys.rotate.leaked}</p>
    </FormDialog>
  )
}

export function DeleteDialog({ serviceKey, onClose }: Props) {
  const texts = useTexts()
  const formats = useFormats()
  const deleting = useMutation({
    mutationFn: () => deleteKey(serviceKey),
    onSuccess: () => {
      void reread('keys')
      say(texts.serviceKeys.delete.done)
      onClose()
    },
    onError: (error) => rereadIfStale(error, 'keys'),
  })
  const used = serviceKey.last_used_at
  return (
    <FormDialog
      title={texts.serviceKeys.delete.title(serviceKey.name)}
      lead={texts.serviceKeys.delete.lead}
      request={deleting}
      submit={texts.serviceKeys.delete.open}
      dismiss={texts.serviceKeys.delete.keep}
      danger
      onSubmit={() => deleting.mutate()}
      onClose={onClose}
    >
      <p>{used ? `${texts.serviceKeys.lastUsed}: ${formats.ago(used)}` : texts.serviceKeys.neverUsed}</p>
    </FormDialog>
  )
}
