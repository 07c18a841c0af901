"""Earlier versions of the contracts of grants: postings made under them are reproduced by them.

Belongs here: what is no longer in force, unchanged. Not here: what is (contract.py), and the spellings.
"""

from typing import Annotated

from pydantic import Field

from hub_pipelines.validate.feeds import money, times, types


class AwardRow1(types.Contract):
    """One award, as it stands now. What is taken back from it (a deobligation) makes its amount negative (G38)."""

    award_id: money.AwardId = Field(description="The university's or the sponsor's number of the award")
    starts_on: times.DateText = Field(description="First day of the period of performance, as YYYY-MM-DD")
    obligated_amount: money.Amount = Field(description="Obligated so far, in US dollars; deobligations are negative")
    ends_on: Annotated[times.OptionalDate, times.not_before("starts_on")] = Field(
        default=None, description="Last day of the period of performance, as YYYY-MM-DD"
    )
    sponsor: types.OptionalText = Field(default=None, description="Who awards it: the agency or foundation")
    title: types.LongText = Field(default=None, description="What it is for, up to 4,000 characters")
    fain: money.Fain = Field(default=None, description="Federal Award Identification Number, such as R01CA123456")
    aln: money.Aln = Field(default=None, description="Assistance Listing Number (CFDA), such as 93.310")
    pi_name: types.OptionalText = Field(default=None, description="The principal investigator")
    pi_email: types.OptionalEmail = Field(default=None, description="The principal investigator's e-mail address")
    idc_rate: money.Percent = Field(default=None, description="Rate of indirect cost, such as 53.5%")
    status: types.OptionalText = Field(default=None, description="What state it is in, in the office's own words")
    final_report_on: times.OptionalDate = Field(
        default=None, description="The day its final financial report was submitted, as YYYY-MM-DD"
    )
