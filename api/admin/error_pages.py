"""Answers errors of the admin console with pages that say what happened and what to do."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.admin.forms import redirect_to
from api.admin.pages import show_page
from api.admin.sessions import SignInNeeded, login_address
from api.problems import error_status, public_message, refusal_status, retry_after_header
from core.errors import CommandRefused, RecoveryError, TooManyRequests
from core.problem_list import join_problems


def install_error_pages(app: FastAPI) -> None:
    """Makes the application answer every error with a page, and send people who are not signed in to the login page."""
    app.add_exception_handler(SignInNeeded, _redirect_to_login)
    app.add_exception_handler(RecoveryError, _show_recovery_error)
    app.add_exception_handler(RequestValidationError, _show_invalid_request)
    app.add_exception_handler(HTTPException, _show_http_error)
    app.add_exception_handler(Exception, _show_unexpected)


async def _redirect_to_login(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    return redirect_to(login_address(request, error.expired))


async def _show_recovery_error(request: Request, error: Exception) -> Response:
    if isinstance(error, CommandRefused):
        return error_page(request, refusal_status(error), str(error))
    if isinstance(error, TooManyRequests):
        answer = error_page(request, 429, str(error))
        answer.headers.update(retry_after_header(error))
        return answer
    status = error_status(error)
    return error_page(request, status, public_message(error)) if status else await _show_unexpected(request, error)


async def _show_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = join_problems(
        (f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()), len(error.errors())
    )
    return error_page(request, 422, f"The request is invalid: {problems}.")


async def _show_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_page(
        request, error.status_code, "There is no such page." if error.status_code == 404 else str(error.detail)
    )


async def _show_unexpected(request: Request, error: Exception) -> Response:
    structlog.get_logger("api.admin").error("a page failed", exc_info=error)
    return error_page(request, 500, "An unexpected error occurred; it was logged.")


def error_page(request: Request, status: int, sentence: str) -> Response:
    """The error page with this status and sentence."""
    return show_page(request, "fault.html", status, title=HTTPStatus(status).phrase, number=status, sentence=sentence)
