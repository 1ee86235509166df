import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ArrowLeft } from 'lucide-react'
import { currentUser } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Failed } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { nameOfType } from '../events/events'
import { Actions } from './Actions'
import { Deliveries } from './Deliveries'
import { WebhookBadge } from './WebhookBadge'
import { hostOf, isReplayed, POLL_MS, readWebhook, type Webhook } from './webhooks'

export function WebhookPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/webhooks/$id' })
  const {
    data: webhook,
    error,
    refetch,
  } = useQuery({
    queryKey: ['webhook', id],
    queryFn: () => readWebhook(id),
    refetchInterval: () => isReplayed(id, Date.now()) && POLL_MS,
  })
  if (error && !webhook) return <Failed error={error} retry={() => void refetch()} />
  if (!webhook) return <Skeleton lines={8} />
  return (
    <>
      <header>
        <div className="stack tight">
          <Link to="/webhooks" className="row quiet small no-print back">
            <ArrowLeft size={14} aria-hidden />
            {texts.webhooks.title}
          </Link>
          <div className="row">
            <h1 className="break">{hostOf(webhook.url)}</h1>
            <WebhookBadge webhook={webhook} />
          </div>
          {webhook.description && <p className="quiet break">{webhook.description}</p>}
        </div>
        <Actions webhook={webhook} />
      </header>
      <State webhook={webhook} />
      <div className="columns">
        <Deliveries webhook={webhook} />
        <Facts webhook={webhook} />
      </div>
    </>
  )
}

/** What is wrong with the webhook, and what to do about it. */
function State(props: { webhook: Webhook }) {
  const texts = useTexts()
  const formats = useFormats()
  const { status, disabled_reason, failing_since } = props.webhook
  const isAdmin = currentUser()?.role === 'admin'
  if (status === 'disabled')
    return (
      <p className="note danger">
        {texts.webhooks.disabled[disabled_reason ?? 'failing']}{' '}
        {isAdmin ? texts.webhooks.enableAgain : texts.webhooks.askAdmin}
      </p>
    )
  if (status === 'paused') return <p className="note">{texts.webhooks.pausedNote}</p>
  if (failing_since)
    return <p className="note danger">{texts.webhooks.failingNote(formats.dateTime(failing_since))}</p>
  return null
}

function Facts(props: { webhook: Webhook }) {
  const { webhook } = props
  const texts = useTexts()
  const formats = useFormats()
  const isAdmin = currentUser()?.role === 'admin'
  return (
    <section className="card">
      <header>
        <h2>{texts.webhooks.facts}</h2>
      </header>
      <dl className="facts">
        <div>
          <dt>{texts.webhooks.form.url}</dt>
          <dd className="mono break">{webhook.url}</dd>
          {!isAdmin && <dd className="hint">{texts.webhooks.redacted}</dd>}
        </div>
        <div>
          <dt>{texts.webhooks.events}</dt>
          <dd>
            <ul className="stack tight">
              {webhook.events.map((it) => (
                <li key={it}>
                  {nameOfType(it, texts)} <span className="hint mono break">{it}</span>
                </li>
              ))}
            </ul>
          </dd>
        </div>
        <div>
          <dt>{texts.webhooks.created}</dt>
          <dd>
            <time dateTime={webhook.created_at}>{formats.dateTime(webhook.created_at)}</time>
            {isAdmin && (
              <div>
                <Link to="/users/$id" params={{ id: webhook.created_by }}>
                  {texts.webhooks.creator}
                </Link>
              </div>
            )}
          </dd>
          {!webhook.creator_is_admin && <dd className="error">{texts.webhooks.creatorGone}</dd>}
        </div>
        <div>
          <dt>{texts.webhooks.changed}</dt>
          <dd>
            <time dateTime={webhook.updated_at}>{formats.dateTime(webhook.updated_at)}</time>
          </dd>
        </div>
      </dl>
    </section>
  )
}
