import '~/ui/detail.css'
import { Link, useNavigate } from '@tanstack/react-router'
import { Webhook as WebhookIcon } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useList } from '~/api/lists'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Empty } from '~/ui/Empty'
import { LoadMore } from '~/ui/LoadMore'
import { Failed } from '~/ui/problems'
import { SkeletonRows } from '~/ui/Skeleton'
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
  const isAdmin = currentUser()?.role === 'admin'
  const list = useList(['webhooks'], readWebhooks)
  const { items } = list
  const act = useMemo(
    () => ({
      open: (row: number) => items[row] && navigate({ to: '/webhooks/$id', params: { id: items[row].id } }),
    }),
    [items, navigate],
  )
  const active = useRows(items.length, act)
  const create = isAdmin && (
    <button type="button" className="button primary" onClick={() => setCreating(true)}>
      {texts.webhooks.create}
    </button>
  )
  return (
    <>
      <header>
        <div className="stack tight">
          <h1>{texts.webhooks.title}</h1>
          <p className="quiet">{texts.webhooks.lead}</p>
        </div>
        {items.length > 0 && create}
      </header>
      <div className="card">
        {list.isError && !items.length ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : list.isSuccess && !items.length ? (
          <Empty
            icon={<WebhookIcon size={28} aria-hidden />}
            title={texts.webhooks.empty}
            lead={isAdmin ? texts.webhooks.emptyLead : texts.webhooks.emptyManager}
            action={create}
          />
        ) : (
          <div className="table-box">
            <table className="table cards" aria-busy={list.isPending}>
              <thead>
                <tr>
                  <th>{texts.webhooks.receiver}</th>
                  <th>{texts.webhooks.status}</th>
                  <th>{texts.webhooks.events}</th>
                  <th>{texts.webhooks.failingSince}</th>
                </tr>
              </thead>
              <tbody>
                {list.isPending ? (
                  <SkeletonRows rows={4} columns={4} />
                ) : (
                  items.map((it, row) => <Row key={it.id} webhook={it} active={row === active} />)
                )}
              </tbody>
            </table>
          </div>
        )}
        <LoadMore hasMore={list.hasNextPage} busy={list.isFetchingNextPage} more={list.fetchNextPage} />
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
    <tr
      className="link"
      data-active={active}
      onClick={(event) => {
        if (!(event.target as HTMLElement).closest('a'))
          void navigate({ to: '/webhooks/$id', params: { id: webhook.id } })
      }}
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
    </tr>
  )
}
