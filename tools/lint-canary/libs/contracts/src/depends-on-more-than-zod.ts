// breaks: no-restricted-imports ×2
import { z } from 'zod';
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { sibling } from './sibling.js';

export const all = [z, randomUUID, Injectable, sibling];
