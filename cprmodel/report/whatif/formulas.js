// Printed by make formulas: do not edit.
const formulas = {
young_1974: ({save_s, mtbf_s}) => {
  return Math.sqrt(2)*Math.sqrt(mtbf_s*save_s);
},
partial_recovery_interval: ({save_s, mtbf_s, whole_job_share}) => {
  const x0 = whole_job_share > 0;
  return ((x0) ? ( Math.sqrt(2)*Math.sqrt(mtbf_s*save_s*((x0) ? ( 1/whole_job_share ) : ( 1 ))) ) : ( Number.POSITIVE_INFINITY ));
},
full_recovery_overhead: ({interval_s, save_s, mtbf_s, load_s = 0, reschedule_s = 0}) => {
  const x0 = save_s/interval_s;
  const x1 = 1/mtbf_s;
  const x2 = load_s*x1;
  const x3 = (1/2)*interval_s*x1;
  const x4 = reschedule_s*x1;
  return {save: x0, load: x2, lost: x3, reschedule: x4, total: x0 + x2 + x3 + x4};
},
partial_recovery_overhead: ({interval_s, save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = save_s/interval_s;
  const x1 = 1/mtbf_s;
  const x2 = x1*(load_s*whole_job_share + partial_load_s*shard_share);
  const x3 = (1/2)*interval_s*whole_job_share*x1;
  const x4 = x1*(partial_reschedule_s*shard_share + reschedule_s*whole_job_share + trainer_reschedule_s*trainer_share);
  return {save: x0, load: x2, lost: x3, reschedule: x4, total: x0 + x2 + x3 + x4};
},
priority_pls: ({stale_s, last_stale_s, work_s, interval_s, save_s, mtbf_s, shards, failed_shards = 1, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = 1/shards;
  const x2 = 1/mtbf_s;
  const x3 = -100*mtbf_s;
  const x4 = Math.max(-partial_load_s, x3);
  const x5 = Math.max(-partial_reschedule_s, x3);
  const x6 = -x4 - x5;
  const x7 = Math.max(-trainer_reschedule_s, x3);
  const x8 = -x7;
  const x9 = -x2*Math.max(x6, x8);
  const x10 = Math.exp(x9);
  const x11 = -x10;
  const x12 = Math.expm1(x9);
  const x13 = Math.max(-shard_share - trainer_share + 1, 0);
  const x14 = 1/(-x11 - x12*x13);
  const x15 = failed_shards*x1;
  const x16 = 1 - x15;
  const x17 = x10*x14;
  const x18 = shard_share*x15;
  const x19 = x13 + x18;
  const x20 = x12/(-x11 - x12*x19);
  const x21 = x2*x7;
  const x22 = Math.expm1(x21);
  const x23 = trainer_share*x22/(-x22*(shard_share + x13) + Math.exp(x21));
  const x24 = -x2*x6;
  const x25 = -Math.exp(x24);
  const x26 = Math.expm1(x24);
  const x27 = 1/(-x25 - x26*(trainer_share + x13));
  const x28 = trainer_share*x17;
  const x29 = -failed_shards*shard_share*x1*x27*(-x25 - x26*x28);
  const x30 = shard_share*x26;
  const x31 = x16*x30*(-x18*x20*x28 - x29)/(-x25 - x26*(trainer_share + x19)) + x23*(failed_shards*shard_share*x1*x10*x14 - Math.pow(shard_share, 2)*x15*x16*x17*x20) + x29;
  const x32 = -x31;
  const x33 = interval_s*x2;
  const x34 = x32*x33;
  const x35 = -x34;
  const x36 = -x13;
  const x37 = -x2*(-x4 + Math.max(-x5, x4 + x8));
  const x38 = x13*Math.expm1(x37);
  const x39 = x38/(-x38 + Math.exp(x37));
  const x40 = -x23*(-shard_share*x39 - x36) - x27*x30*(-trainer_share*x39 - x36) - x31 - x36;
  const x41 = Math.expm1(-x2*Math.max(-save_s, x3));
  const x42 = x40*x41;
  const x43 = -interval_s*x0 + work_s;
  const x44 = x2*x43;
  return (-last_stale_s*Math.expm1(-x40*x44 - Math.log1p(0)) + x0*(interval_s*(x32*x41*special.exprel(x35)/(x42 + 1) + x34*special.phi2(x35)) - stale_s*Math.expm1(-x33*x40 - Math.log1p(x42))) + x2*x32*Math.pow(x43, 2)*special.phi2(-x32*x44))/work_s;
},
priority_pls_deviation: ({work_square_s2, save_square_s2, stale_square_s2, work_s, interval_s, save_s, mtbf_s, shards, failed_shards = 1, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = 1/mtbf_s;
  const x1 = work_s*x0;
  const x2 = -100*mtbf_s;
  const x3 = (special.intervals(work_s, interval_s) - 1)*Math.expm1(-x0*Math.max(-save_s, x2));
  const x4 = Math.max(-shard_share - trainer_share + 1, 0);
  const x5 = -x4;
  const x6 = Math.max(-partial_load_s, x2);
  const x7 = Math.max(-partial_reschedule_s, x2);
  const x8 = -x6 - x7;
  const x9 = -x0*x8;
  const x10 = -Math.exp(x9);
  const x11 = trainer_share + x4;
  const x12 = Math.expm1(x9);
  const x13 = 1/(-x10 - x11*x12);
  const x14 = Math.max(-trainer_reschedule_s, x2);
  const x15 = -x14;
  const x16 = -x0*(-x6 + Math.max(-x7, x15 + x6));
  const x17 = x4*Math.expm1(x16);
  const x18 = x17/(-x17 + Math.exp(x16));
  const x19 = shard_share*x12;
  const x20 = x0*x14;
  const x21 = Math.expm1(x20);
  const x22 = trainer_share*x21/(-x21*(shard_share + x4) + Math.exp(x20));
  const x23 = 1/shards;
  const x24 = -x0*Math.max(x8, x15);
  const x25 = Math.exp(x24);
  const x26 = -x25;
  const x27 = Math.expm1(x24);
  const x28 = 1/(-x26 - x27*x4);
  const x29 = failed_shards*x23;
  const x30 = 1 - x29;
  const x31 = x25*x28;
  const x32 = shard_share*x29;
  const x33 = x27/(-x26 - x27*(x32 + x4));
  const x34 = trainer_share*x31;
  const x35 = -failed_shards*shard_share*x13*x23*(-x10 - x12*x34);
  return Math.sqrt(stale_square_s2*(x1 + x3)*(-x13*x19*(-trainer_share*x18 - x5) - x22*(-shard_share*x18 - x5) - x5) + x29*(save_square_s2*x3 + work_square_s2*x1)*(-x19*x30*(-x32*x33*x34 - x35)/(-x10 - x12*(x11 + x32)) - x22*(failed_shards*shard_share*x23*x25*x28 - Math.pow(shard_share, 2)*x29*x30*x31*x33) - x35))/work_s;
},
exact_interval: ({save_s, mtbf_s}) => {
  return mtbf_s*special.renewal_root(save_s/mtbf_s);
},
exact_pls_interval: ({pls, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = -whole_job_share;
  const x1 = 1/mtbf_s;
  const x2 = -100*mtbf_s;
  const x3 = Math.max(-partial_load_s, x2);
  const x4 = Math.max(-partial_reschedule_s, x2);
  const x5 = -x3 - x4;
  const x6 = -x1*x5;
  const x7 = -Math.exp(x6);
  const x8 = trainer_share + whole_job_share;
  const x9 = Math.expm1(x6);
  const x10 = 1/(-x7 - x8*x9);
  const x11 = Math.max(-trainer_reschedule_s, x2);
  const x12 = -x11;
  const x13 = -x1*(-x3 + Math.max(-x4, x12 + x3));
  const x14 = whole_job_share*Math.expm1(x13);
  const x15 = x14/(-x14 + Math.exp(x13));
  const x16 = shard_share*x9;
  const x17 = x1*x11;
  const x18 = Math.expm1(x17);
  const x19 = trainer_share*x18/(-x18*(shard_share + whole_job_share) + Math.exp(x17));
  const x20 = Math.expm1(-x1*Math.max(-save_s, x2));
  const x21 = 1/shards;
  const x22 = -x1*Math.max(x5, x12);
  const x23 = Math.exp(x22);
  const x24 = -x23;
  const x25 = Math.expm1(x22);
  const x26 = 1/(-whole_job_share*x25 - x24);
  const x27 = failed_shards*x21;
  const x28 = 1 - x27;
  const x29 = x23*x26;
  const x30 = shard_share*x27;
  const x31 = x25/(-x24 - x25*(whole_job_share + x30));
  const x32 = trainer_share*x29;
  const x33 = -failed_shards*shard_share*x10*x21*(-x32*x9 - x7);
  const x34 = -x16*x28*(-x30*x31*x32 - x33)/(-x7 - x9*(x30 + x8)) - x19*(failed_shards*shard_share*x21*x23*x26 - Math.pow(shard_share, 2)*x27*x28*x29*x31) - x33;
  const x35 = x20*x34;
  const x36 = Math.max(pls - x35/(x20*(-x0 - x10*x16*(-trainer_share*x15 - x0) - x19*(-shard_share*x15 - x0)) + x35 + 1), 0)/(1 - pls);
  const x37 = x1*x34 > 0;
  return ((x37) ? ( (x36 + special.renewal_root(special.log1p_gap(x36)))*((x37) ? ( mtbf_s/x34 ) : ( 1 )) ) : ( Number.POSITIVE_INFINITY ));
},
partial_recovery_exact_interval: ({save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = whole_job_share > 0;
  const x1 = ((x0) ? ( whole_job_share ) : ( 1 ));
  const x2 = -x1;
  const x3 = 1/mtbf_s;
  const x4 = -x3*(partial_load_s + partial_reschedule_s);
  const x5 = Math.expm1(x4);
  const x6 = -x3*(partial_load_s + Math.max(partial_reschedule_s, -partial_load_s + trainer_reschedule_s));
  const x7 = x1*Math.expm1(x6);
  const x8 = x7/(-x7 + Math.exp(x6));
  const x9 = -trainer_reschedule_s*x3;
  const x10 = Math.expm1(x9);
  const x11 = -shard_share*x5*(-trainer_share*x8 - x2)/(-x5*(trainer_share + x1) + Math.exp(x4)) - trainer_share*x10*(-shard_share*x8 - x2)/(-x10*(shard_share + x1) + Math.exp(x9)) - x2;
  return ((x0) ? ( mtbf_s*special.renewal_root(Math.log1p(x11*Math.expm1(save_s*x3)))/x11 ) : ( Number.POSITIVE_INFINITY ));
},
full_recovery_makespan: ({work_s, interval_s, save_s, mtbf_s, load_s = 0, reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = save_s*x0;
  const x2 = 1/mtbf_s;
  const x3 = -interval_s*x0 + work_s;
  const x4 = x2*x3;
  const x5 = Math.expm1(x4);
  const x6 = load_s*x2;
  const x7 = mtbf_s*Math.expm1(x6);
  const x8 = interval_s + save_s;
  const x9 = x2*x8;
  const x10 = x0*Math.expm1(x9);
  const x11 = x10*x7 + x5*x7;
  const x12 = x0*x2*Math.pow(x8, 2)*special.phi2(x9) + x2*Math.pow(x3, 2)*special.phi2(x4);
  const x13 = mtbf_s*Math.expm1(reschedule_s*x2)*Math.exp(x6);
  const x14 = x10*x13 + x13*x5;
  return {save: x1, load: x11, lost: x12, reschedule: x14, total: x1 + x11 + x12 + x14};
},
partial_recovery_makespan: ({work_s, interval_s, save_s, mtbf_s, partial_load_s = 0, partial_reschedule_s = 0, shard_share = 1, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0, load_s = 0, reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = save_s*x0;
  const x2 = 1/mtbf_s;
  const x3 = -x2*(partial_load_s + partial_reschedule_s);
  const x4 = Math.expm1(x3);
  const x5 = 1/(-x4*(trainer_share + whole_job_share) + Math.exp(x3));
  const x6 = -partial_reschedule_s*x2;
  const x7 = special.exprel(-partial_load_s*x2);
  const x8 = trainer_share*x4;
  const x9 = Math.max(partial_reschedule_s, -partial_load_s + trainer_reschedule_s);
  const x10 = -x2*(partial_load_s + x9);
  const x11 = whole_job_share*Math.expm1(x10);
  const x12 = 1/(-x11 + Math.exp(x10));
  const x13 = -x2*x9;
  const x14 = partial_load_s*x12*x7*Math.exp(x13);
  const x15 = -trainer_reschedule_s*x2;
  const x16 = Math.expm1(x15);
  const x17 = trainer_share/(-x16*(shard_share + whole_job_share) + Math.exp(x15));
  const x18 = x16*x17;
  const x19 = -shard_share*x14*x18 + shard_share*x5*(partial_load_s*x7*Math.exp(x6) - x14*x8);
  const x20 = -whole_job_share;
  const x21 = x11*x12;
  const x22 = shard_share*x5;
  const x23 = -x18*(-shard_share*x21 - x20) - x20 - x22*x4*(-trainer_share*x21 - x20);
  const x24 = save_s*x2;
  const x25 = Math.expm1(x24);
  const x26 = x23*x25;
  const x27 = x26 + 1;
  const x28 = x2*x23;
  const x29 = interval_s*x28;
  const x30 = interval_s*x2*x27*special.exprel(x29) + x25;
  const x31 = x26 + x27*Math.expm1(x29);
  const x32 = load_s*x2;
  const x33 = mtbf_s*Math.expm1(x32);
  const x34 = -interval_s*x0 + work_s;
  const x35 = x28*x34;
  const x36 = Math.expm1(x35);
  const x37 = x2*x34*special.exprel(x35);
  const x38 = x0*(x19*x30 + x31*x33) + x19*x37 + x33*x36;
  const x39 = x0*(interval_s*(x26 + x27*x29*special.phi2(x29)) + Math.pow(save_s, 2)*x2*special.phi2(x24)) + x28*Math.pow(x34, 2)*special.phi2(x35);
  const x40 = x12*x9*special.exprel(x13);
  const x41 = x17*(-shard_share*x16*x40 + trainer_reschedule_s*special.exprel(x15)) + x22*(partial_reschedule_s*special.exprel(x6) - x40*x8);
  const x42 = mtbf_s*Math.expm1(reschedule_s*x2)*Math.exp(x32);
  const x43 = x0*(x30*x41 + x31*x42) + x36*x42 + x37*x41;
  return {save: x1, load: x38, lost: x39, reschedule: x43, total: x1 + x38 + x39 + x43};
},
exact_pls: ({work_s, interval_s, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = 1/mtbf_s;
  const x1 = 1/shards;
  const x2 = -100*mtbf_s;
  const x3 = Math.max(-partial_load_s, x2);
  const x4 = Math.max(-partial_reschedule_s, x2);
  const x5 = -x3 - x4;
  const x6 = Math.max(-trainer_reschedule_s, x2);
  const x7 = -x6;
  const x8 = -x0*Math.max(x5, x7);
  const x9 = Math.exp(x8);
  const x10 = -x9;
  const x11 = Math.expm1(x8);
  const x12 = 1/(-whole_job_share*x11 - x10);
  const x13 = failed_shards*x1;
  const x14 = 1 - x13;
  const x15 = x12*x9;
  const x16 = shard_share*x13;
  const x17 = whole_job_share + x16;
  const x18 = x11/(-x10 - x11*x17);
  const x19 = x0*x6;
  const x20 = Math.expm1(x19);
  const x21 = trainer_share*x20/(-x20*(shard_share + whole_job_share) + Math.exp(x19));
  const x22 = -x0*x5;
  const x23 = -Math.exp(x22);
  const x24 = Math.expm1(x22);
  const x25 = 1/(-x23 - x24*(trainer_share + whole_job_share));
  const x26 = trainer_share*x15;
  const x27 = -failed_shards*shard_share*x1*x25*(-x23 - x24*x26);
  const x28 = shard_share*x24;
  const x29 = -x14*x28*(-x16*x18*x26 - x27)/(-x23 - x24*(trainer_share + x17)) - x21*(failed_shards*shard_share*x1*x12*x9 - Math.pow(shard_share, 2)*x13*x14*x15*x18) - x27;
  const x30 = x0*x29;
  const x31 = interval_s*x30;
  const x32 = -x31;
  const x33 = -whole_job_share;
  const x34 = -x0*(-x3 + Math.max(-x4, x3 + x7));
  const x35 = whole_job_share*Math.expm1(x34);
  const x36 = x35/(-x35 + Math.exp(x34));
  const x37 = Math.expm1(-x0*Math.max(-save_s, x2));
  const x38 = x29*x37;
  const x39 = interval_s*(special.intervals(work_s, interval_s) - 1);
  const x40 = work_s - x39;
  return (x30*Math.pow(x40, 2)*special.phi2(-x30*x40) + x39*(x31*special.phi2(x32) + x38*special.exprel(x32)/(x37*(-x21*(-shard_share*x36 - x33) - x25*x28*(-trainer_share*x36 - x33) - x33) + x38 + 1)))/work_s;
},
exact_pls_deviation: ({work_s, interval_s, mtbf_s, shards, shard_share = 1, failed_shards = 1, save_s = 0, partial_load_s = 0, partial_reschedule_s = 0, trainer_share = 0, whole_job_share = 0, trainer_reschedule_s = 0}) => {
  const x0 = special.intervals(work_s, interval_s) - 1;
  const x1 = -interval_s*x0 + work_s;
  const x2 = Math.pow(x1, 2);
  const x3 = 1/shards;
  const x4 = 1/mtbf_s;
  const x5 = -100*mtbf_s;
  const x6 = Math.max(-partial_load_s, x5);
  const x7 = Math.max(-partial_reschedule_s, x5);
  const x8 = -x6 - x7;
  const x9 = Math.max(-trainer_reschedule_s, x5);
  const x10 = -x9;
  const x11 = -x4*Math.max(x8, x10);
  const x12 = Math.exp(x11);
  const x13 = -x12;
  const x14 = Math.expm1(x11);
  const x15 = 1/(-whole_job_share*x14 - x13);
  const x16 = failed_shards*x3;
  const x17 = 1 - x16;
  const x18 = x12*x15;
  const x19 = Math.pow(shard_share, 2)*x18;
  const x20 = shard_share*x16;
  const x21 = whole_job_share + x20;
  const x22 = x14/(-x13 - x14*x21);
  const x23 = x4*x9;
  const x24 = Math.expm1(x23);
  const x25 = trainer_share*x24/(-x24*(shard_share + whole_job_share) + Math.exp(x23));
  const x26 = x25*(failed_shards*shard_share*x12*x15*x3 - x16*x17*x19*x22);
  const x27 = -x4*x8;
  const x28 = -Math.exp(x27);
  const x29 = Math.expm1(x27);
  const x30 = trainer_share + whole_job_share;
  const x31 = 1/(-x28 - x29*x30);
  const x32 = trainer_share*x18;
  const x33 = -x28 - x29*x32;
  const x34 = -failed_shards*shard_share*x3*x31*x33;
  const x35 = shard_share*x29;
  const x36 = x17*x35*(-x20*x22*x32 - x34)/(-x28 - x29*(trainer_share + x21));
  const x37 = -x26 - x34 - x36;
  const x38 = Math.pow(x37, 2);
  const x39 = x1*x4;
  const x40 = x37*x39;
  const x41 = -x40;
  const x42 = 2*x40;
  const x43 = x31*x33;
  const x44 = 2*x16;
  const x45 = shards - 1;
  const x46 = Math.floor(failed_shards);
  const x47 = x3*x46*(2*failed_shards - x46 - 1)/Math.max(x45, 1);
  const x48 = x44 - x47;
  const x49 = -x44 + x47 + 1;
  const x50 = shard_share*x48;
  const x51 = x14/(-x13 - x14*(whole_job_share + x50));
  const x52 = -x43*x50;
  const x53 = x25*(shard_share*x12*x15*x48 - x19*x48*x49*x51) + x35*x49*(-x32*x50*x51 - x52)/(-x28 - x29*(x30 + x50)) + x52;
  const x54 = 2*x20*x43 - 2*x26 - 2*x36 + x53;
  const x55 = x3*x45;
  const x56 = Math.expm1(-x4*Math.max(-save_s, x5));
  const x57 = x37*x56;
  const x58 = -whole_job_share;
  const x59 = -x4*(-x6 + Math.max(-x7, x10 + x6));
  const x60 = whole_job_share*Math.expm1(x59);
  const x61 = x60/(-x60 + Math.exp(x59));
  const x62 = x56*(-x25*(-shard_share*x61 - x58) - x31*x35*(-trainer_share*x61 - x58) - x58) + 1;
  const x63 = x57 + x62;
  const x64 = x57/x63;
  const x65 = 1 - x64;
  const x66 = interval_s*x4;
  const x67 = x37*x66;
  const x68 = -x67;
  const x69 = x56*x62*(x38*x56 + x54*x62)/(Math.pow(x63, 2)*(-x53*x56 + x62));
  return Math.sqrt(Math.max(Math.pow(interval_s, 2)*x0*(x3*(x64 + x67*(2 - 2*x64)*special.phi3(x68) - Math.pow(x64 + x65*x67*special.phi2(x68), 2)) + x55*(x69*Math.pow(special.exprel(x68), 2) + (2*Math.pow(x65, 2) + 2*x69)*special.joint_gap(x67, -x54*x66 + 2*x67))) + x2*(x3*(x42*special.phi3(x41) - x2*x38*Math.pow(special.phi2(x41), 2)/Math.pow(mtbf_s, 2)) + 2*x55*special.joint_gap(x40, -x39*x54 + x42)), 0))/work_s;
},
metric_drop: ({pls, metric_drop_per_pls}) => {
  return metric_drop_per_pls*pls;
},
effective_time_ratio: ({overhead}) => {
  return 1/(overhead + 1);
},
};
const validity = {
young_1974: [{quantity: "C/μ", at_most: 0.08, because: "beyond, Young's interval costs over 1% more overhead than the exact optimum", of: ({save_s, mtbf_s}) => {
  return save_s/mtbf_s;
}}],
full_recovery_overhead: [{quantity: "(τ + C + L + D)/μ", at_most: 0.1, because: "beyond, the first-order overhead can be over 10% too low: use the exact model", of: ({interval_s, save_s, mtbf_s, load_s, reschedule_s}) => {
  return (interval_s + load_s + reschedule_s + save_s)/mtbf_s;
}}],
partial_recovery_overhead: [{quantity: "(wτ + C + longest recovery)/μ", at_most: 0.1, because: "beyond, the first-order overhead can be over 10% too low: use the exact model", of: ({interval_s, save_s, mtbf_s, partial_load_s, partial_reschedule_s, shard_share, trainer_share, whole_job_share, trainer_reschedule_s, load_s, reschedule_s}) => {
  return (interval_s*whole_job_share + save_s + Math.max(Math.max(((shard_share > 0) ? ( partial_load_s + partial_reschedule_s ) : ( 0 )), ((trainer_share > 0) ? ( trainer_reschedule_s ) : ( 0 ))), ((whole_job_share > 0) ? ( load_s + reschedule_s ) : ( 0 ))))/mtbf_s;
}}],
};
const hours_saved_per_month = ({best, today}) => {
  return (-730.485*best + 730.485*today)/(today + 1);
};
