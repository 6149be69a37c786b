"""Requests for predictions that wait for rows, and those that need not; errors of any route."""

import asyncio
import threading

import httpx
import numpy as np
import polars as pl

from octavo.errors import DataError
from octavo.server import App
from octavo.server.app import Hosted
from octavo.services.models import Models
from octavo.services.requests import Asked
from octavo.stages.prep.request_time import Answer

PATH = "/v1/pipelines/shop/predict"
