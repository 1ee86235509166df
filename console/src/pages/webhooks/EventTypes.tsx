import { useId } from 'react'
import { useTexts } from '~/texts'
import { comeIntoView } from '~/ui/FormParts'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import {
  covers,
  type EventType,
  grouped,
  nameOfType,
  TEST_TYPE,
  toggled,
  useCatalogue,
} from '../events/events'

/** The choice of types: all, all of a group, or single ones. */
export function EventTypes(props: {
  chosen: string[]
  onChange: (chosen: string[]) => void
  error?: string | undefined
}) {
  const { chosen, onChange, error } = props
  const texts = useTexts()
  const id = useId()
  const catalogue = useCatalogue()
  const box = (pattern: string) => (
    <Box
      key={pattern}
      pattern={pattern}
      checked={covers(chosen, pattern)}
      implied={covers(chosen, pattern) && !chosen.includes(pattern)}
      onChange={(on) => onChange(toggled(chosen, pattern, on))}
    />
  )
  return (
    <fieldset className="types" aria-describedby={error ? id : undefined}>
      <legend>{texts.webhooks.form.events}</legend>
      {error && (
        <p id={id} className="error" role="alert" ref={comeIntoView}>
          {error}
        </p>
      )}
      {catalogue.error && <Failed error={catalogue.error} retry={() => void catalogue.refetch()} />}
      {catalogue.isPending && <Skeleton lines={6} />}
      {catalogue.data && (
        <>
          {box('*')}
          <div className="groups">
            {grouped(catalogue.data.filter((it) => it.type !== TEST_TYPE)).map(([group, types]) => (
              <div key={group} className="stack tight">
                {box(`${group}.*`)}
                <div className="stack tight inner">{types.map((it) => box(it.type))}</div>
                {types.some(isForAdmins) && <p className="hint inner">{texts.webhooks.form.adminEvents}</p>}
              </div>
            ))}
          </div>
        </>
      )}
    </fieldset>
  )
}

function isForAdmins(type: EventType): boolean {
  return type.role === 'admin'
}

function Box(props: {
  pattern: string
  checked: boolean
  implied: boolean
  onChange: (on: boolean) => void
}) {
  const texts = useTexts()
  const { pattern, checked, implied } = props
  return (
    <label className={pattern.endsWith('*') ? 'check strong' : 'check'} title={pattern}>
      <input
        type="checkbox"
        checked={checked}
        disabled={implied}
        onChange={(event) => props.onChange(event.target.checked)}
      />
      {nameOfType(pattern, texts)}
    </label>
  )
}
