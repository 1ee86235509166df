import '~/ui/detail.css'
import { Link, useNavigate } from '@tanstack/react-router'
import { Webhook as WebhookIcon } from 'lucide-react'
import { useState } from 'react'
import { useList } from '~/api/lists'
import { isAdmin } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { ListFrame } from '~/ui/ListFrame'
import { PageHead } from '~/ui/PageHead'
import { OpenableRow, Table } from '~/ui/Table'
import { useRows } from '~/ui/useRows'
import { nameOfType } from '../events/events'
import { CreateWebhook } from './CreateWebhook'
import { WebhookBadge } from './WebhookBadge'
import { hostOf, readWebhooks, type Webhook } from './webhooks'

const SHOWN_EVENTS = 3

export function Webhooks() {
  const texts = useTexts()
  const navigate = useNavigate()
  const [isCreating, setCreating] = useState(false)
  const list = useList(['webhooks'], readWebhooks)
  const active = useRows(list.items, {
    open: ({ id }) => navigate({ to: '/webhooks/$id', params: { id } }),
  })
  return (
    <>
      <PageHead title={texts.webhooks.title} lead={texts.webhooks.lead}>
        {isAdmin() && (
          <button type="button" className="button primary" onClick={() => setCreating(true)}>
            {texts.webhooks.create}
          </button>
        )}
      </PageHead>
      <div className="card">
        <ListFrame
          list={list}
          empty={
            <Empty
              icon={WebhookIcon}
              title={texts.webhooks.empty}
              lead={isAdmin() ? texts.webhooks.emptyLead : texts.webhooks.emptyManager}
            />
          }
        >
          <Table
            columns={[
              texts.webhooks.receiver,
              texts.webhooks.status,
              texts.webhooks.events,
              texts.webhooks.failingSince,
            ]}
            pendingRows={list.isPending && 4}
          >
            {list.items.map((it, row) => (
              <Row key={it.id} webhook={it} active={row === active} />
            ))}
          </Table>
        </ListFrame>
      </div>
      {isCreating && <CreateWebhook onClose={() => setCreating(false)} />}
    </>
  )
}

function Row(props: { webhook: Webhook; active: boolean }) {
  const { webhook, active } = props
  const texts = useTexts()
  const formats = useFormats()
  const navigate = useNavigate()
  const more = webhook.events.length - SHOWN_EVENTS
  return (
    <OpenableRow
      active={active}
      onOpen={() => void navigate({ to: '/webhooks/$id', params: { id: webhook.id } })}
    >
      <td className="wide">
        <Link to="/webhooks/$id" params={{ id: webhook.id }} className="break">
          {hostOf(webhook.url)}
        </Link>
        {webhook.description && <div className="hint break">{webhook.description}</div>}
      </td>
      <td>
        <WebhookBadge webhook={webhook} />
      </td>
      <td className="wide small quiet">
        {webhook.events
          .slice(0, SHOWN_EVENTS)
          .map((it) => nameOfType(it, texts))
          .join(', ')}
        {more > 0 && ` ${texts.webhooks.moreEvents(more)}`}
      </td>
      <td className={webhook.failing_since ? 'error nowrap' : 'quiet minor'}>
        {webhook.failing_since ? (
          <span title={formats.dateTime(webhook.failing_since)}>
            <span className="only-cards">{texts.webhooks.failingSince} </span>
            {formats.ago(webhook.failing_since)}
          </span>
        ) : (
          '–'
        )}
      </td>
    </OpenableRow>
  )
}
