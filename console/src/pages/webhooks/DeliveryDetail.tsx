import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { isGone } from '~/api/problem'
import { isAdmin } from '~/session/session'
import { useFormats, useTexts } from '~/texts'
import { Json } from '~/ui/Json'
import { explain } from '~/ui/problems'
import { Skeleton } from '~/ui/Skeleton'
import { readEvent, subjectOf, TEST_TYPE } from '../events/events'
import { duration } from './attempts'
import { SendButton } from './SendButton'
import { AttemptBadge } from './WebhookBadge'
import { type Attempt, type Delivery, replayDelivery, type Webhook } from './webhooks'

export function DeliveryDetail(props: { webhook: Webhook; delivery: Delivery }) {
  const { webhook, delivery } = props
  const texts = useTexts()
  const formats = useFormats()
  return (
    <div className="stack">
      <div className="row spread">
        <p className="quiet">
          {delivery.next_attempt_at
            ? texts.webhooks.next(formats.dateTime(delivery.next_attempt_at))
            : texts.webhooks.ends[delivery.status]}
        </p>
        <SendButton
          webhook={webhook}
          send={() => replayDelivery(webhook, delivery)}
          name={texts.webhooks.sendAgain}
          done={texts.webhooks.sentAgain}
        />
      </div>
      <div>
        <h3>{texts.webhooks.attempts}</h3>
        {delivery.attempts.length ? (
          <ol className="attempts">
            {delivery.attempts.toReversed().map((it) => (
              <AttemptLine key={it.at} attempt={it} />
            ))}
          </ol>
        ) : (
          <p className="quiet">{texts.webhooks.noAttempts}</p>
        )}
      </div>
      <Body delivery={delivery} />
    </div>
  )
}

function AttemptLine(props: { attempt: Attempt }) {
  const { attempt } = props
  const texts = useTexts()
  const formats = useFormats()
  return (
    <li>
      <div className="row">
        <AttemptBadge status={attempt.status} />
        {attempt.status_code !== null && <strong className="number">{attempt.status_code}</strong>}
        {attempt.duration_ms !== null && (
          <span className="number quiet">{duration(attempt.duration_ms, formats.locale)}</span>
        )}
        <time className="quiet" dateTime={attempt.at}>
          {formats.exact(attempt.at)}
        </time>
      </div>
      {attempt.error && <p className="error break">{texts.webhooks.error(attempt.error)}</p>}
      {isAdmin() && attempt.answer && (
        <pre className="answer" title={texts.webhooks.answer}>
          {attempt.answer}
        </pre>
      )}
    </li>
  )
}

/** The event as it is sent, and the page of its subject. */
function Body(props: { delivery: Delivery }) {
  const { event_id, event_type } = props.delivery
  const texts = useTexts()
  const isTest = event_type === TEST_TYPE
  const { data, error } = useQuery({
    queryKey: ['event', event_id],
    queryFn: () => readEvent(event_id),
    enabled: !isTest,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const subject = data && subjectOf(data)
  return (
    <div className="stack tight">
      <div className="row spread">
        <h3>{texts.webhooks.body}</h3>
        <span className="row small">
          {subject?.text && (!subject.admin || isAdmin()) && (
            <Link to={subject.to} className="break">
              {subject.text}
            </Link>
          )}
          {!isTest && (
            <Link to="/events" search={{ event: event_id }}>
              {texts.webhooks.showEvent}
            </Link>
          )}
        </span>
      </div>
      {isTest ? (
        <p className="quiet">{texts.webhooks.testBody}</p>
      ) : error ? (
        <p className="quiet">{isGone(error) ? texts.webhooks.bodyGone : explain(error, texts).text}</p>
      ) : data ? (
        <Json value={data} label={texts.webhooks.body} />
      ) : (
        <Skeleton lines={4} />
      )}
    </div>
  )
}
