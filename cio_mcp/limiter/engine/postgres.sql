-- The tables and functions of limits in PostgreSQL. Times are microseconds of the server's clock.
-- Slots need not last: tables without a log cost no write to the disk, and are empty after a crash and on a standby
-- that takes over. Which buckets there were does last, so that this is noticed.
CREATE TABLE limiter_buckets (bucket text PRIMARY KEY);
CREATE UNLOGGED TABLE limiter_states (
    bucket text PRIMARY KEY, since bigint NOT NULL, settling bigint NOT NULL, paused bigint NOT NULL,
    lowered integer NOT NULL) WITH (fillfactor = 20);
CREATE UNLOGGED TABLE limiter_slots (
    bucket text, slot text, replica text NOT NULL, stage text NOT NULL, frees_at bigint NOT NULL,
    PRIMARY KEY (bucket, slot))
    WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE UNLOGGED TABLE limiter_line (
    bucket text, replica text, place bigint NOT NULL, turn_left integer NOT NULL, alive_until bigint NOT NULL,
    callers integer NOT NULL, PRIMARY KEY (bucket, replica)) WITH (fillfactor = 20);

CREATE TYPE limiter_terms AS (
    "limit" bigint, share bigint, stragglers bigint, turn bigint, step bigint, "window" bigint, grace bigint,
    hold bigint, ticket bigint, settling bigint, clean bigint, longest_pause bigint);

CREATE FUNCTION limiter_now() RETURNS bigint LANGUAGE sql AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Lock a bucket until the end of the transaction, and return its state, with nothing in it later than can be meant.
CREATE FUNCTION limiter_locked(of_bucket text, terms limiter_terms) RETURNS limiter_states LANGUAGE plpgsql AS $$
DECLARE is_new integer; now bigint; state limiter_states;
BEGIN
    SELECT * INTO state FROM limiter_states WHERE bucket = of_bucket FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO limiter_buckets VALUES (of_bucket) ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS is_new = ROW_COUNT;
        now := limiter_now();
        INSERT INTO limiter_states VALUES (
            of_bucket, CASE is_new WHEN 1 THEN 0 ELSE now END, CASE is_new WHEN 1 THEN 0 ELSE now + terms.settling END,
            0, terms."limit") ON CONFLICT DO NOTHING;
        SELECT * INTO state FROM limiter_states WHERE bucket = of_bucket FOR UPDATE;
    END IF;
    now := limiter_now();
    -- A clock that was set back must not hold anything for longer than was meant.
    IF state.since > now OR state.settling > now + terms.settling OR state.paused > now + terms.longest_pause THEN
        UPDATE limiter_states SET since = least(since, now), settling = least(settling, now + terms.settling),
            paused = least(paused, now + terms.longest_pause) WHERE bucket = of_bucket RETURNING * INTO state;
    END IF;
    DELETE FROM limiter_slots WHERE bucket = of_bucket AND frees_at <= now;
    UPDATE limiter_slots SET frees_at = now + terms."window" + CASE stage WHEN 'c' THEN 0 ELSE terms.hold END
        WHERE bucket = of_bucket AND frees_at > now + terms."window" + CASE stage WHEN 'c' THEN 0 ELSE terms.hold END;
    RETURN state;
END $$;

CREATE FUNCTION limiter_in_force(state limiter_states, terms limiter_terms, at bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(terms."limit", state.lowered + terms.step * greatest(0, (at - state.paused) / terms.clean))
$$;

-- Take slots, as many as are free for a replica; without slots, only look. Returns the members of a View, in order.
CREATE FUNCTION limiter_take(of_bucket text, me text, terms limiter_terms, waiting bigint, asked text[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    now bigint; state limiter_states; in_force bigint; held bigint; unanswered bigint; free bigint; granted bigint;
    own limiter_line; ahead bigint; others bigint[]; last_place bigint; quiet bigint; wait bigint := 0; ends bigint[];
BEGIN
    state := limiter_locked(of_bucket, terms);
    now := limiter_now();
    in_force := limiter_in_force(state, terms, now);
    SELECT count(*) INTO held FROM limiter_slots WHERE bucket = of_bucket;
    -- Of the requests without an answer the youngest may still be on their way; older ones are slow at the server.
    IF held >= in_force THEN
        DELETE FROM limiter_slots WHERE bucket = of_bucket AND frees_at <= now + terms.hold - terms.grace
            AND slot IN (
                SELECT slot FROM limiter_slots WHERE bucket = of_bucket AND stage = 'w'
                    AND frees_at <= now + terms.hold + terms."window" - terms.grace
                ORDER BY frees_at DESC OFFSET terms.stragglers);
    END IF;
    SELECT count(*), count(*) FILTER (WHERE stage <> 'c'),
        ARRAY[coalesce(min(frees_at) FILTER (WHERE stage = 'c'), now), coalesce(max(frees_at) FILTER (WHERE stage = 'c'), now)]
        INTO held, unanswered, ends FROM limiter_slots WHERE bucket = of_bucket;
    -- Replicas that wait have their turns; who does not look again in time is gone.
    DELETE FROM limiter_line WHERE bucket = of_bucket AND NOT (alive_until > now AND alive_until <= now + terms.ticket);
    SELECT * INTO own FROM limiter_line WHERE bucket = of_bucket AND replica = me;
    SELECT coalesce(max(place), 0), coalesce(array_agg(callers) FILTER (WHERE replica <> me), '{}'),
        coalesce(sum(least(turn_left, callers)) FILTER (WHERE replica <> me AND (own.place IS NULL OR place < own.place)), 0)
        INTO last_place, others, ahead FROM limiter_line WHERE bucket = of_bucket;
    quiet := greatest(0, state.since + terms."window" + terms.grace - now);
    free := least(in_force - held - ahead, cardinality(asked));
    IF cardinality(others) > 0 THEN free := least(free, coalesce(own.turn_left, terms.turn)); END IF;
    IF state.settling > now THEN
        free := least(free, terms.share - (
            SELECT count(*) FROM limiter_slots WHERE bucket = of_bucket AND replica = me));
    END IF;
    granted := CASE WHEN quiet > 0 OR state.paused > now THEN 0 ELSE greatest(0, free) END;
    INSERT INTO limiter_slots
        SELECT of_bucket, name, me, 'r', now + terms.hold + terms."window" FROM unnest(asked[:granted]) AS name
        ON CONFLICT (bucket, slot) DO UPDATE SET frees_at = excluded.frees_at;
    -- In line until nobody waits; after a turn, at the end.
    IF waiting > granted THEN
        own.turn_left := coalesce(own.turn_left, terms.turn) - granted;
        IF own.place IS NULL OR own.turn_left <= 0 THEN
            own.place := last_place + 1;
            own.turn_left := terms.turn;
        END IF;
        INSERT INTO limiter_line
            VALUES (of_bucket, me, own.place, own.turn_left, now + terms.ticket, waiting - granted)
            ON CONFLICT (bucket, replica) DO UPDATE SET place = excluded.place, turn_left = excluded.turn_left,
                alive_until = excluded.alive_until, callers = excluded.callers;
        -- When enough may be free for those before and one more. No request is answered before it has left.
        IF held + granted >= in_force THEN
            SELECT greatest(1, coalesce(max(moment), now) - now) INTO wait FROM (
                SELECT frees_at - CASE stage WHEN 'c' THEN 0 ELSE terms.hold END AS moment FROM limiter_slots
                WHERE bucket = of_bucket ORDER BY moment LIMIT held + granted - in_force + ahead + 1) AS first;
        END IF;
    ELSIF own.place IS NOT NULL AND cardinality(asked) > 0 THEN
        DELETE FROM limiter_line WHERE bucket = of_bucket AND replica = me;
    END IF;
    RETURN ARRAY[
        granted, greatest(wait, quiet, state.paused - now), held + granted, unanswered + granted, ends[1] - now,
        ends[2] - now, greatest(state.paused - now, -terms.longest_pause - terms.clean * terms."limit"), state.lowered,
        quiet] || others;
END $$;

-- Make changes to the slots of a replica, in the order given: one array of words for each, as in report.lua.
CREATE FUNCTION limiter_report(of_bucket text, me text, terms limiter_terms, changes jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE now bigint; state limiter_states; change jsonb; at bigint;
BEGIN
    state := limiter_locked(of_bucket, terms);
    now := limiter_now();
    FOR change IN SELECT * FROM jsonb_array_elements(changes) LOOP
        CASE change ->> 0
        WHEN 'put' THEN
            DELETE FROM limiter_slots WHERE bucket = of_bucket AND slot = change ->> 1;
            IF (change ->> 3)::bigint > 0 THEN
                INSERT INTO limiter_slots VALUES (of_bucket, change ->> 1, me, change ->> 2, now + (change ->> 3)::bigint);
            END IF;
        WHEN 'cool' THEN
            UPDATE limiter_slots SET stage = 'c', frees_at = now + (change ->> 2)::bigint
                WHERE bucket = of_bucket AND slot = change ->> 1;
        WHEN 'drop' THEN
            DELETE FROM limiter_slots WHERE bucket = of_bucket AND slot = change ->> 1;
        WHEN 'refused' THEN
            -- Cut once for each burst: a 429 during a pause answers what was sent before it, and only prolongs it.
            at := now - (change ->> 2)::bigint;
            IF at >= state.paused THEN
                state.lowered := greatest(1, floor(limiter_in_force(state, terms, at) * 0.7));
            END IF;
            state.paused := greatest(
                state.paused, at + greatest(terms."window", least((change ->> 1)::bigint, terms.longest_pause)));
            UPDATE limiter_states SET paused = state.paused, lowered = state.lowered WHERE bucket = of_bucket;
        WHEN 'left' THEN
            DELETE FROM limiter_line WHERE bucket = of_bucket AND replica = me;
        WHEN 'back' THEN
            -- While this replica did without the server, others may have done so too, and may not be back yet.
            DELETE FROM limiter_slots WHERE bucket = of_bucket AND replica = me;
            UPDATE limiter_states SET settling = now + terms.settling WHERE bucket = of_bucket;
        END CASE;
    END LOOP;
END $$;
