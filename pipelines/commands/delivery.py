"""`forewarn deliver`: alerts go to Alertmanager and to a webhook, decisions to their desk."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipelines.commands.shared import Flow, as_flow, run_flow, settings_of


def deliver(
    context: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep sending until stopped; a line for what is new.")
    ] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="Send a test alert, only ask desks; say what came back."),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="First let what was refused be tried once more.")
    ] = False,
    flow: Flow = False,
) -> None:
    """Send alerts that opened or ended to FOREWARN_ALERTMANAGER_URL and FOREWARN_WEBHOOK_URL.

    What was decided on tickets is written into them where FOREWARN_ZENDESK_URL and the like say.

    Nothing is lost while a receiver is away, and what it knows is not sent twice. One process at a
    time sends for a desk. `forewarn detect --follow` does the same beside looking.

    Exits with 1 where something waits or was refused.
    """
    from pipelines import deliver as sending
    from pipelines.console import out
    from pipelines.workspace import workspace

    if sum((follow, test, flow)) > 1 or (test and again):
        raise ValueError("wanted one of --follow, --test and --flow; --test takes no --again")
    with workspace(settings_of(context)) as place:
        sending.named(place)
        if test:
            answers = sending.try_out(place, datetime.now(UTC))
            for name, answer in answers:
                said = "accepted: " if answer.accepted else ""
                out.print(f"{name}: {said}{answer.said}", markup=False)
            raise typer.Exit(0 if all(answer.accepted for _, answer in answers) else 1)
        if again:
            out.print(f"{sending.try_again(place):,} refused ones are tried again")
        if follow:
            sending.follow(place)
        elif as_flow(context, flow):
            run_flow(context, "deliver")
        else:
            sending.drained(place)
        if not sending.say(place):
            raise typer.Exit(1)
