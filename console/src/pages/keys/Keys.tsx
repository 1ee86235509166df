import '~/ui/detail.css'
import { KeyRound } from 'lucide-react'
import { useState } from 'react'
import { useList } from '~/api/lists'
import { currentShop } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { CreateKey } from './CreateKey'
import { ChangeDialog, DeleteDialog, RotateDialog, SwitchDialog } from './KeyDialogs'
import { type Action, KeyMenu } from './KeyMenu'
import { lastDay, readKeys, type ServiceKey } from './keys'

const DIALOGS = { change: ChangeDialog, switch: SwitchDialog, rotate: RotateDialog, delete: DeleteDialog }

export function Keys() {
  const texts = useTexts()
  const [isCreating, setCreating] = useState(false)
  const [asked, setAsked] = useState<{ action: Action; key: ServiceKey } | null>(null)
  const list = useList(['keys'], readKeys)
  const active = useRows(list.items, { open: (key) => setAsked({ action: 'change', key }) })
  const Asking = asked && DIALOGS[asked.action]
  return (
    <>
      <PageHead title={texts.serviceKeys.title} lead={texts.serviceKeys.lead}>
        <button type="button" className="button primary" onClick={() => setCreating(true)}>
          {texts.serviceKeys.create}
        </button>
      </PageHead>
      <div className="card">
        <ListFrame
          list={list}
          empty={<Empty icon={KeyRound} title={texts.serviceKeys.empty} lead={texts.serviceKeys.emptyLead} />}
        >
          <Table
            columns={[
              texts.serviceKeys.name,
              texts.serviceKeys.scopesOf,
              texts.serviceKeys.status,
              texts.serviceKeys.lastUsed,
              texts.serviceKeys.expires,
              { name: texts.serviceKeys.limit, isNumber: true },
              { name: texts.serviceKeys.more, isHidden: true },
            ]}
            pendingRows={list.isPending && 4}
          >
            {list.items.map((it, row) => (
              <Row
                key={it.id}
                serviceKey={it}
                active={row === active}
                onChoose={(action) => setAsked({ action, key: it })}
              />
            ))}
          </Table>
        </ListFrame>
      </div>
      {isCreating && <CreateKey onClose={() => setCreating(false)} />}
      {Asking && (
        <Asking
          // After someone else's change, the next one is for the version that the list then has.
          serviceKey={list.items.find((it) => it.id === asked.key.id) ?? asked.key}
          onClose={() => setAsked(null)}
        />
      )}
    </>
  )
}

const COLOURS = { active: 'green', disabled: 'red', expired: 'amber' }

function Row(props: { serviceKey: ServiceKey; active: boolean; onChoose: (action: Action) => void }) {
  const { serviceKey, active, onChoose } = props
  const texts = useTexts()
  const formats = useFormats()
  const { status, allowed_addresses, last_used_at, expires_at, previous_valid_until } = serviceKey
  const day = lastDay(serviceKey, currentShop()?.time_zone)
  return (
    <tr data-active={active}>
      <td>
        <strong className="break">{serviceKey.name}</strong>
        <div className="hint mono break">{serviceKey.id}</div>
      </td>
      <td className="wide small quiet">
        {serviceKey.scopes.map((it) => texts.serviceKeys.scopes[it].name).join(', ')}
        {allowed_addresses.length > 0 && (
          <div className="hint break">{texts.serviceKeys.onlyFrom(allowed_addresses.join(', '))}</div>
        )}
      </td>
      <td>
        <span className={`badge ${COLOURS[status]}`}>{texts.serviceKeys.statuses[status]}</span>
        {status === 'active' && previous_valid_until && (
          <div className="hint">
            {texts.serviceKeys.previousUntil(formats.dateTime(previous_valid_until))}
          </div>
        )}
      </td>
      <td className="quiet">
        <span className="only-cards">{texts.serviceKeys.lastUsed}: </span>
        <span title={last_used_at ? formats.dateTime(last_used_at) : undefined}>
          {last_used_at ? formats.ago(last_used_at) : texts.serviceKeys.never}
        </span>
      </td>
      <td className="quiet">
        <span className="only-cards">{texts.serviceKeys.expires}: </span>
        <span className="nowrap" title={expires_at ? formats.dateTime(expires_at) : undefined}>
          {day ? formats.fullDay(`${day}T12:00`) : texts.serviceKeys.noExpiry}
        </span>
      </td>
      <td className="number quiet nowrap">
        {texts.serviceKeys.perMinute(formats.count(serviceKey.rate_limit))}
      </td>
      <td className="end actions-cell">
        <KeyMenu serviceKey={serviceKey} onChoose={onChoose} />
      </td>
    </tr>
  )
}
