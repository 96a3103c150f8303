from datetime import UTC, datetime, timedelta

from data.records import Ticket

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def a_ticket(number=1, **fields):
    opened_at = NOW + timedelta(minutes=number)
    return Ticket(
        **{"desk": "it", "source": "file", "external_id": str(number)}
        | {"opened_at": opened_at}
        | fields
    )


def test_putting_twice_changes_nothing(store):
    tickets = [a_ticket(number, title=f"Ticket {number}") for number in range(5)]
    assert store.put_tickets(tickets) == (5, 0, 0)
    assert store.put_tickets(tickets) == (0, 0, 5)
    assert list(store.tickets("it")) == tickets
