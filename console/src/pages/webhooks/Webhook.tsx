import '~/ui/detail.css'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { isAdmin } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Card } from '~/ui/Card'
import { Loaded } from '~/ui/Loaded'
import { PageHead } from '~/ui/PageHead'
import { nameOfType } from '../events/events'
import { UserLink } from '../users/UserLink'
import { Actions } from './Actions'
import { Deliveries } from './Deliveries'
import { WebhookBadge } from './WebhookBadge'
import { hostOf, isReplayed, POLL_MS, readWebhook, type Webhook } from './webhooks'

export function WebhookPage() {
  const texts = useTexts()
  const { id } = useParams({ from: '/webhooks/$id' })
  const query = useQuery({
    queryKey: ['webhook', id],
    queryFn: () => readWebhook(id),
    refetchInterval: () => isReplayed(id, Date.now()) && POLL_MS,
  })
  return (
    <Loaded query={query} lines={8}>
      {(webhook) => (
        <>
          <PageHead
            title={hostOf(webhook.url)}
            parent={{ to: '/webhooks', name: texts.webhooks.title }}
            badge={<WebhookBadge webhook={webhook} />}
            lead={webhook.description}
          >
            <Actions webhook={webhook} />
          </PageHead>
          <State webhook={webhook} />
          <div className="columns">
            <Deliveries webhook={webhook} />
            <Facts webhook={webhook} />
          </div>
        </>
      )}
    </Loaded>
  )
}

/** What is wrong with the webhook, and what to do about it. */
function State(props: { webhook: Webhook }) {
  const texts = useTexts()
  const formats = useFormats()
  const { status, disabled_reason, failing_since } = props.webhook
  if (status === 'disabled')
    return (
      <p className="note danger">
        {texts.webhooks.disabled[disabled_reason ?? 'failing']}{' '}
        {isAdmin() ? texts.webhooks.enableAgain : texts.webhooks.askAdmin}
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
  return (
    <Card title={texts.webhooks.facts}>
      <dl className="facts">
        <div>
          <dt>{texts.webhooks.form.url}</dt>
          <dd className="mono break">{webhook.url}</dd>
          {!isAdmin() && <dd className="hint">{texts.webhooks.redacted}</dd>}
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
            {isAdmin() && (
              <div>
                <UserLink id={webhook.created_by} text={texts.webhooks.creator} />
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
    </Card>
  )
}
