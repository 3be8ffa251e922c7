"""What /openapi.json says is what the server does, for inputs that schemathesis draws from it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from omlzoo.index.index import Index
from omlzoo.serving.application import application
from omlzoo.serving.limits import Limits

FREE = Limits(per_second=1e6, burst=10**6)


@pytest.mark.slow
def test_no_request_of_the_description_or_against_it_finds_a_fault(small: Index) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from schemathesis.generation import GenerationMode
    from schemathesis.python import asgi
    from schemathesis.specs.openapi.checks import positive_data_acceptance  # "either image or item" cannot be described

    app = application(small, limits=FREE)
    statuses: dict[str, set[int]] = {}
    with asgi.get_client(app) as client:
        schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in operations:
            given_any = [*operation.iter_parameters(), *operation.body]  # otherwise nothing can be asked against it
            for mode in GenerationMode if given_any else [GenerationMode.POSITIVE]:

                @settings(
                    max_examples=200,
                    derandomize=True,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                )
                @given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: Any) -> None:
                    answer = case.call_and_validate(session=client, excluded_checks=[positive_data_acceptance])
                    statuses.setdefault(case.operation.path, set()).add(answer.status_code)

                ask()
    assert len(operations) == 9
    assert 422 in statuses["/search"]
    assert {200, 422} <= statuses["/items"]
